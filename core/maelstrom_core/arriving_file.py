"""A file that is arriving: what a connection brings goes into it, and the digest of what is in it comes out.

From a plain socket by a pipe, in which the kernel hands pages on: the bytes are copied once, into the file, and the
digest is that of what the file has then, which is mapped and not copied again. What has to pass through memory, as
of TLS, is written from there.

    arriving = ArrivingFile(descriptor)
    with Pipe() as pipe:
        for count in pipe.fills(socket, size, lambda: 60.0):
            arriving.take(pipe, count)
    arriving.hexdigest()
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import select
import socket
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from blake3 import blake3

WORTH_IT = 256 << 10
"""Bytes: for less a pipe costs more than it saves."""
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})
"""What splicing fails with where it is not to be had."""
_CAPACITY = 1 << 20
_WINDOW = 4 << 20
"""Bytes that are mapped at a time: with fewer, threads of Python wait for each other more often."""
_READ = 256 << 10
"""Bytes that are read back at a time where files cannot be mapped: as many as the processor's own cache holds."""


class ArrivingFile:
    """An empty file, open for reading and writing; nobody else writes to it."""

    def __init__(self, descriptor: int) -> None:
        self.size = 0
        """Bytes that have come."""
        self._descriptor = descriptor
        self._hasher = blake3()
        self._hashed = 0
        self._buffer: memoryview | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises OSError."""
        self._catch_up(1)
        self._hasher.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.size += len(data)
        self._hashed = self.size

    def take(self, pipe: Pipe, count: int) -> None:
        """Take as many bytes from a pipe that has them. Raises OSError."""
        pipe.empty(self._descriptor, count)
        self.size += count
        self._catch_up(_WINDOW)

    def hexdigest(self) -> str:
        """Return the digest of what has come. Raises OSError."""
        self._catch_up(1)
        digest: str = self._hasher.hexdigest()
        return digest

    def _catch_up(self, least: int) -> None:
        """Hash what has been written, while that is at least as much."""
        while self.size - self._hashed >= least:
            try:
                self._hash_mapped()
            except (OSError, ValueError):  # of a file system without maps, or no address space for one
                self._hash_read()

    def _hash_mapped(self) -> None:
        start = self._hashed - self._hashed % mmap.PAGESIZE
        size = min(self.size - start, _WINDOW)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        with (
            mmap.mmap(self._descriptor, size, flags, mmap.PROT_READ, offset=start) as mapped,
            memoryview(mapped) as window,
            window[self._hashed - start :] as view,
        ):
            self._hasher.update(view)
        self._hashed = start + size

    def _hash_read(self) -> None:
        view = self._buffer = self._buffer or memoryview(bytearray(_READ))
        count = os.preadv(self._descriptor, [view[: self.size - self._hashed]], self._hashed)
        if not count:
            raise OSError(errno.EIO, "what was written cannot be read")
        self._hasher.update(view[:count])
        self._hashed += count


class Pipe:
    """Where pages of a socket wait for a file."""

    def __init__(self) -> None:
        """Make one. Raises OSError."""
        self._reader, self._writer = os.pipe()
        with contextlib.suppress(OSError):  # a user may have so much in pipes, and no more
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, _CAPACITY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def fills(self, source: socket.socket, most: int, patience: Callable[[], float]) -> Iterator[int]:
        """Let in what a plain socket brings, until so many bytes have come; yield how many are to be let out each time.

        Where sockets cannot be spliced this ends before, and has taken nothing. `patience` returns the seconds that the
        next bytes may take. Raises ConnectionError, and TimeoutError.
        """
        readable = select.poll()
        while most:
            number = source.fileno()  # anew: another thread may have closed it
            if number < 0:
                raise ConnectionError("the connection is closed")
            try:
                count = os.splice(number, self._writer, most)
            except BlockingIOError:
                readable.register(number, select.POLLIN)
                if not readable.poll(patience() * 1000):
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
                continue
            except OSError as error:
                if error.errno in _CANNOT:
                    return
                raise ConnectionError(error.errno, error.strerror) from None
            if not count:
                raise ConnectionError("the connection was closed in the middle of an artifact")
            most -= count
            yield count

    def empty(self, descriptor: int, count: int) -> None:
        """Let so many bytes out into a file. Raises OSError."""
        while count:
            count -= os.splice(self._reader, descriptor, count)
