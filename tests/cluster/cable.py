"""A cable between a worker and its broker that can be cut: what came by the one end does not come out at the other."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Cables:
    """An event loop in a thread, in which all cables are."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        """Cut all for good."""
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        for server in self.servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Cable:
    """Leads from a port of its own to another."""

    def __init__(self, cables: Cables, port: int) -> None:
        self._loop, self._servers = cables.loop, cables.servers
        self._target = port
        self._whole = asyncio.Event()
        self._pairs: set[asyncio.StreamWriter] = set()
        self.port: int = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def cut(self) -> None:
        """Let nothing through: nobody is told."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        """Let everything through, also what has waited."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def reset(self) -> None:
        """Break what is connected: both sides are told."""
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in self._pairs])

    async def _open(self) -> int:
        self._whole.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._pairs |= {writer, there_writer}
        try:
            with contextlib.suppress(OSError):
                await asyncio.gather(self._carry(reader, there_writer), self._carry(there_reader, writer))
        finally:
            for each in (writer, there_writer):
                self._pairs.discard(each)
                each.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
