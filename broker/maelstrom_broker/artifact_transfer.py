"""How bytes of artifacts pass between connections and files, on the broker's side: a way for each kind of connection.

A plain one is given to a thread for as long as a transfer takes: sendfile one way, read, hash and write the other,
with no turn of the loop in between. TLS lives in the loop's transport, so the loop moves those bytes, and threads read
files, hash and write. Whichever it is, a megabyte that takes longer than `SLOW` raises TimeoutError.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from io import FileIO
from typing import Protocol

from maelstrom_broker.artifact_link import SLOW, ArtifactLink
from maelstrom_core.arriving_file import PIECE
from maelstrom_core.errors import InfrastructureError

CHUNK = 1 << 20

Write = Callable[[memoryview], None]
Failure = OSError | InfrastructureError


class Transfer(Protocol):
    """What sessions need of a connection; all methods raise TimeoutError and ConnectionError."""

    async def say(self, message: bytes) -> None:
        """Send a message."""

    async def give(self, message: bytes, file: FileIO, size: int) -> None:
        """Send a message, and a file behind it."""

    async def take(self, message: bytes, length: int, write: Write) -> Failure | None:
        """Send a message, and take what it asked for, to its end; return why it could not be written."""

    def close(self) -> None:
        """Let threads that still use the connection fail."""


def transfer_of(link: ArtifactLink, threads: Executor) -> Transfer:
    """Return the way of a connection. Raises OSError."""
    plain = link.transport.get_extra_info("ssl_object") is None
    return PlainTransfer(link, threads) if plain else LoopTransfer(link, threads)


class PlainTransfer:
    """By a second descriptor of the socket, in threads; the transport sends nothing, and reads between transfers."""

    def __init__(self, link: ArtifactLink, threads: Executor) -> None:
        self._link = link
        self._threads = threads
        self._socket = socket.socket(fileno=os.dup(link.transport.get_extra_info("socket").fileno()))
        # a time-out leaves the descriptor non-blocking, as the transport has it
        self._socket.settimeout(SLOW)

    async def say(self, message: bytes) -> None:
        """Send a message."""
        await self._run(partial(self._socket.sendall, message))

    async def give(self, message: bytes, file: FileIO, size: int) -> None:
        """Send a message, and a file behind it."""
        await self._run(partial(self._give, message, file, size))

    async def take(self, message: bytes, length: int, write: Write) -> Failure | None:
        """Send a message, and take what it asked for."""
        self._link.connection.expect_content(length)
        return await self._run(partial(self._take, message, write))

    def close(self) -> None:
        """Let threads fail."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    async def _run(self, work: Callable[[], Failure | None]) -> Failure | None:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _give(self, message: bytes, file: FileIO, size: int) -> None:
        self._socket.sendall(message)
        writable = select.poll()
        writable.register(self._socket, select.POLLOUT)
        at, pace = 0, _Pace()
        while at < size:
            try:
                sent = os.sendfile(self._socket.fileno(), file.fileno(), at, size - at)
            except BlockingIOError:
                writable.poll(pace.left * 1000)
                pace.passed(0)
                continue
            if not sent:
                raise ConnectionError("the file became shorter")
            at += sent
            pace.passed(sent)

    def _take(self, message: bytes, write: Write) -> Failure | None:
        self._socket.sendall(message)
        connection = self._link.connection
        failure: Failure | None = None
        pace = _Pace()
        with memoryview(bytearray(min(PIECE, connection.left))) as view:
            while connection.left:
                filled = connection.take_buffered(view)
                while filled < len(view) and connection.left:
                    count = self._socket.recv_into(view[filled : filled + connection.left])
                    if not count:
                        raise ConnectionError("the connection was closed in the middle of an artifact")
                    connection.received_content(count)
                    filled += count
                    pace.passed(count)
                failure = failure or _attempt(partial(write, view[:filled]))
        return failure


class LoopTransfer:
    """By the transport; one chunk is written to the file while the next one comes."""

    def __init__(self, link: ArtifactLink, threads: Executor) -> None:
        self._link = link
        self._threads = threads

    async def say(self, message: bytes) -> None:
        """Send a message."""
        await self._link.write(message)

    async def give(self, message: bytes, file: FileIO, size: int) -> None:
        """Send a message, and a file behind it."""
        loop = asyncio.get_running_loop()
        await self._link.write(message)
        while size:
            data = await loop.run_in_executor(self._threads, file.read, min(CHUNK, size))
            if not data:
                raise ConnectionError("the file became shorter")
            await self._link.write(data)
            size -= len(data)

    async def take(self, message: bytes, length: int, write: Write) -> Failure | None:
        """Send a message, and take what it asked for."""
        loop = asyncio.get_running_loop()
        connection = self._link.connection
        connection.expect_content(length)
        await self._link.write(message)
        buffers = [memoryview(bytearray(min(CHUNK, length))) for _ in range(2)]
        failure: Failure | None = None
        writing: asyncio.Future[Failure | None] | None = None
        try:
            while connection.left:
                count = await self._link.fill(buffers[0])
                failure = failure or (await writing if writing is not None else None)
                writing = None
                if failure is None:
                    writing = loop.run_in_executor(self._threads, _attempt, partial(write, buffers[0][:count]))
                buffers.reverse()
        finally:
            if writing is not None:
                failure = failure or await writing
        return failure

    def close(self) -> None:
        """Do nothing: there are no threads that wait for the connection."""


class _Pace:
    """How long the next chunk may take."""

    def __init__(self) -> None:
        self._bytes = 0
        self._end = time.monotonic() + SLOW

    @property
    def left(self) -> float:
        """Seconds."""
        return max(self._end - time.monotonic(), 0.0)

    def passed(self, count: int) -> None:
        """Take note that so many bytes have passed. Raises TimeoutError if that took too long."""
        self._bytes += count
        now = time.monotonic()
        if self._bytes >= CHUNK:
            self._bytes = 0
            self._end = now + SLOW
        elif now >= self._end:
            raise TimeoutError


def _attempt(write: Callable[[], None]) -> Failure | None:
    """Write, and return what went wrong: errors of files are others than those of connections."""
    try:
        write()
    except (OSError, InfrastructureError) as error:
        return error
    return None
