"""A connection for artifacts as a stream, on the broker's side: asyncio around `artifact_wire`, with TLS or without.

What is read goes where it belongs, and nothing is read that nobody waits for. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from maelstrom_core.artifact_wire import NEED_DATA, ArtifactConnection, Event

SLOW = 30.0
"""Seconds for a chunk, in either direction."""
_MESSAGES = 64 << 10


class ArtifactLink(asyncio.BufferedProtocol):
    """One connection as a stream: what is read goes where it belongs, and nothing is read that nobody waits for."""

    def __init__(self, transport: asyncio.Transport, initial: bytes, gone: Callable[[], None]) -> None:
        self.transport = transport
        self.connection = ArtifactConnection("broker", initial)
        self._gone = gone
        self._own = memoryview(bytearray(_MESSAGES))
        self._target: memoryview | None = None
        """Where content goes; else what comes is given to the connection."""
        self._filled = 0
        self._waiting: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.lost: Exception | None = None
        transport.pause_reading()

    # of asyncio

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where to read to."""
        return self._own if self._target is None else self._target[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what was read."""
        if self._target is None:
            self.connection.receive_data(self._own[:nbytes])
            self._wake()
            return
        self._filled += nbytes
        self.connection.received_content(nbytes)
        if self._filled == len(self._target):
            self._wake()

    def eof_received(self) -> None:
        """Take note that nothing more will come."""
        self.connection.receive_eof()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Have whoever waits fail."""
        self.lost = exc or ConnectionError("the connection was closed")
        self.connection.receive_eof()
        self._writable.set()
        self._wake()
        self._gone()

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let them go on."""
        self._writable.set()

    # for sessions; all raise TimeoutError and ConnectionError

    async def event(self, seconds: float) -> Event:
        """Return the next event."""
        while (event := self.connection.next_event()) is NEED_DATA:
            await self._wait(seconds)
        return event

    async def fill(self, view: memoryview) -> int:
        """Read content: until there is no more, or the buffer is full."""
        at = self.connection.take_buffered(view)
        rest = view[at : at + min(len(view) - at, self.connection.left)]
        if rest:
            self._target, self._filled = rest, 0
            try:
                await self._wait(SLOW)
                if self._filled < len(rest):
                    raise ConnectionError("the connection was closed in the middle of an artifact")
            finally:
                self._target = None
        return at + len(rest)

    async def write(self, data: bytes | memoryview) -> None:
        """Send by the transport, when there is room."""
        async with asyncio.timeout(SLOW):
            await self._writable.wait()
        if self.lost is not None:
            raise ConnectionError(str(self.lost))
        self.transport.write(data)

    async def _wait(self, seconds: float) -> None:
        if self.lost is not None:
            raise ConnectionError(str(self.lost))
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.resume_reading()
        try:
            async with asyncio.timeout(seconds):
                await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        # now: before whoever waits has the next buffer
        if self.lost is None and not self.transport.is_closing():
            self.transport.pause_reading()
        if self._waiting is not None:
            settle(self._waiting)


def settle(future: asyncio.Future[None]) -> None:
    """Tell whoever waits, if somebody still does."""
    if not future.done():
        future.set_result(None)
