"""Connections for artifacts, on the broker's side: asyncio around `artifact_wire` and the store.

The loop moves bytes between sockets and buffers, threads write, hash and read: a large upload must not hold up the
scheduler. A plain connection is sent files by sendfile, one of TLS by its transport. Who sends or takes less than a
megabyte in 30 seconds is cut off.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from maelstrom_broker.artifact_link import SLOW, ArtifactLink, settle
from maelstrom_broker.effects import Event as BrokerEvent
from maelstrom_broker.effects import Evicted, ManifestEntries, ManifestRead, ReadManifest
from maelstrom_broker.effects import Stored as StoredEvent
from maelstrom_broker.store import Incoming, Store, why
from maelstrom_core import log
from maelstrom_core.artifact_manifest import read_named
from maelstrom_core.artifact_wire import (
    AnyArtifactMessage,
    Content,
    Get,
    Go,
    Put,
    Refused,
    Stored,
    frame,
)
from maelstrom_core.errors import InfrastructureError, MaelstromError
from maelstrom_core.messages import Goodbye
from maelstrom_core.wire import Closed

CHUNK = 1 << 20
IDLE = 300.0
"""Seconds between two requests."""
THREADS = 8
UPLOADS = 64
"""At a time; each has two buffers of a chunk."""


class ArtifactService:
    """The store, and who uses it."""

    def __init__(self, store: Store, handle: Callable[[BrokerEvent], None], in_use: Callable[[str], bool]) -> None:
        """`handle` takes events of the store, in the loop's thread; `in_use` tells what jobs hold."""
        self.store = store
        self.handle = handle
        self.in_use = in_use
        self.loop = asyncio.get_running_loop()
        self.threads = ThreadPoolExecutor(THREADS, "artifacts")
        self.uploads = asyncio.Semaphore(UPLOADS)
        self._tasks: set[asyncio.Task[None]] = set()
        for digest in list(store.digests()):
            handle(StoredEvent(digest))

    def close(self) -> None:
        """Stop; connections are closed by whoever knows them."""
        for task in list(self._tasks):
            task.cancel()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.store.close()

    def serve(self, transport: asyncio.Transport, greeting: bytes, initial: bytes, gone: Callable[[], None]) -> None:
        """Take over a connection whose first frame has come; `gone` is called when it is closed."""
        link = ArtifactLink(transport, initial, gone)
        transport.set_protocol(link)
        self.run(_Session(self, link, greeting).run())

    def run(self, work: Any) -> None:
        """Have a coroutine run."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def read_manifest(self, effect: ReadManifest) -> None:
        """Do what the broker wants."""
        self.run(self._read_manifest(effect.digest))

    async def _read_manifest(self, digest: str) -> None:
        error: str | None = None
        try:
            file = self.store.open(digest)
            if file is None:
                error = "it is not in the store any more"
            else:
                with file:
                    for named in await self.in_thread(lambda: list(read_named(file))):
                        self.handle(ManifestEntries(digest, named))
        except MaelstromError as failure:
            error = failure.message
        except OSError as failure:
            error = failure.strerror or str(failure)
        self.handle(ManifestRead(digest, error))

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Do something that takes long."""
        return await self.loop.run_in_executor(self.threads, work)


class _Session:
    """What one connection asks for, one thing after the other."""

    def __init__(self, service: ArtifactService, link: ArtifactLink, greeting: bytes) -> None:
        self._service = service
        self._link = link
        self._greeting = greeting
        self._plain: socket.socket | None = None
        """For sendfile: nothing is sent by the transport then."""

    async def run(self) -> None:
        """Serve until the connection ends."""
        transport = self._link.transport
        try:
            if transport.get_extra_info("ssl_object") is None:
                self._plain = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
                self._plain.setblocking(False)
            await self._send(self._greeting)
            while True:
                match await self._link.event(IDLE):
                    case Get(digest):
                        await self._get(digest)
                    case Put() as put:
                        await self._put(put)
                    case Closed(reason, fault):
                        if fault:
                            await self._send(frame(Goodbye(reason)))
                        break
                    case _:
                        break
        except TimeoutError:
            log.info("artifact connection was too slow, or idle", address=transport.get_extra_info("peername"))
            transport.abort()
        except OSError as error:
            log.debug("artifact connection broke", reason=str(error))
        finally:
            if self._plain is not None:
                self._plain.close()
            transport.close()

    # from the broker

    async def _get(self, digest: str) -> None:
        try:
            file = self._service.store.open(digest)
        except OSError as error:
            await self._say(Refused(digest, f"the broker failed to read it: {error.strerror}"))
            return
        if file is None:
            await self._say(Refused(digest, "the broker has it not"))
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            await self._say(Content(digest, size))
            if self._plain is not None:
                await self._send_file(self._plain, file.fileno(), size)
            else:
                while data := await self._service.in_thread(lambda: file.read(CHUNK)):
                    await self._link.write(data)

    async def _send_file(self, to: socket.socket, file: int, size: int) -> None:
        at = 0
        while at < size:
            try:
                sent = await self._service.in_thread(
                    partial(os.sendfile, to.fileno(), file, at, min(size - at, 4 * CHUNK))
                )
            except BlockingIOError:
                await self._until_writable(to)
                continue
            if not sent:
                raise ConnectionError("the file became shorter")
            at += sent

    async def _until_writable(self, to: socket.socket) -> None:
        loop = self._service.loop
        ready = loop.create_future()
        loop.add_writer(to.fileno(), settle, ready)
        try:
            async with asyncio.timeout(SLOW):
                await ready
        finally:
            loop.remove_writer(to.fileno())

    # to the broker

    async def _put(self, put: Put) -> None:
        service = self._service
        if put.digest in service.store:
            await self._say(Stored(put.digest))
            return
        async with service.uploads:
            try:
                incoming, evicted = service.store.expect(put.digest, put.size, service.in_use)
            except (OSError, InfrastructureError) as error:
                await self._say(Refused(put.digest, why(error)))
                return
            for digest in evicted:
                service.handle(Evicted(digest))
            if evicted:
                service.run(service.in_thread(service.store.delete))
            await self._receive(put, incoming)

    async def _receive(self, put: Put, incoming: Incoming) -> None:
        service = self._service
        kept = False
        try:
            await self._say(Go())
            self._link.connection.expect_content(put.length)
            failure = await self._take(incoming, put.encoding == "zstd")
            if failure is None:
                service.store.arrived(incoming)
                kept = True
        except OSError as error:
            if self._link.lost is not None or isinstance(error, (TimeoutError, ConnectionError)):
                raise
            failure = error
        finally:
            if not kept:
                service.store.lost(incoming)
        if failure is not None:
            log.info("artifact refused", digest=put.digest, reason=why(failure))
            await self._say(Refused(put.digest, why(failure), again=isinstance(failure, InfrastructureError)))
            return
        service.handle(StoredEvent(put.digest))
        await self._say(Stored(put.digest))

    async def _take(self, incoming: Incoming, compressed: bool) -> OSError | InfrastructureError | None:
        """Receive content to its end, whatever becomes of it; return why it could not be stored."""
        write = _unpacked(incoming) if compressed else incoming.write
        connection = self._link.connection
        buffers = [memoryview(bytearray(min(CHUNK, max(connection.left, 1)))) for _ in range(2)]
        failure: OSError | InfrastructureError | None = None
        writing: asyncio.Future[None] | None = None
        try:
            while connection.left:
                count = await self._link.fill(buffers[0])
                failure = failure or await _result(writing)
                writing = None
                if failure is None:
                    part = buffers[0][:count]
                    writing = asyncio.ensure_future(self._service.in_thread(lambda part=part: write(part)))  # type: ignore[misc]
                buffers.reverse()
        finally:
            failure = failure or await _result(writing)
        return failure or await _result(asyncio.ensure_future(self._service.in_thread(incoming.check)))

    async def _say(self, message: AnyArtifactMessage) -> None:
        await self._send(frame(message))

    async def _send(self, data: bytes) -> None:
        if self._plain is None:
            await self._link.write(data)
            return
        async with asyncio.timeout(SLOW):
            await self._service.loop.sock_sendall(self._plain, data)


def _unpacked(incoming: Incoming) -> Callable[[memoryview], None]:
    """Return what writes compressed content: never more than was announced."""
    from maelstrom_core.compression import zstd

    unpacker = zstd.ZstdDecompressor()

    def write(data: memoryview) -> None:
        given: bytes | memoryview = data
        try:
            while not unpacker.eof:
                part = unpacker.decompress(given, CHUNK)
                incoming.write(part)
                given = b""
                if unpacker.needs_input:
                    return
        except zstd.ZstdError:
            raise InfrastructureError("it cannot be unpacked") from None

    return write


async def _result(writing: asyncio.Future[None] | None) -> OSError | InfrastructureError | None:
    """Return why something could not be written."""
    if writing is not None:
        try:
            await writing
        except (OSError, InfrastructureError) as error:
            return error
    return None
