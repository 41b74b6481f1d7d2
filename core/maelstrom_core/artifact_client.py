"""Sending artifacts to a broker and getting them from it, by blocking sockets: for threads.

    with ArtifactClient(dial, token) as client:
        client.upload(digest, content)          # bytes, or the path of a file
        client.fetch(digest, most)              # into memory
        client.fetch_into(digest, size, fd)     # into a file

One object is one connection, for one thread; `dial` returns a connected socket, of TLS or not. A connection that breaks
is made anew, and the transfer begun anew. What has come is checked before it is returned. See docs/protocol.md.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from blake3 import blake3

from maelstrom_core.arriving_file import PIECE, ArrivingFile
from maelstrom_core.artifact_wire import (
    NEED_DATA,
    AnyArtifactMessage,
    ArtifactConnection,
    Content,
    Event,
    Get,
    Go,
    Put,
    Refused,
    Stored,
    frame,
)
from maelstrom_core.errors import InfrastructureError
from maelstrom_core.messages import PROTOCOL, Hello
from maelstrom_core.wire import Closed, Connection, Greeted

T = TypeVar("T")

Dial = Callable[[], socket.socket]
TIMEOUT = 60.0
"""Seconds that the other side may be silent, or take nothing."""
ATTEMPTS = 4
_PAUSE = 0.2
"""Seconds before another attempt; twice as long before each further one."""
_COMPRESSED = 64 << 20
"""Bytes: what is larger goes as it is."""
_SAMPLE = 64 << 10
_WORTH_IT = 0.8
_LEVEL = 1


class ArtifactError(InfrastructureError):
    """An artifact could not be sent or had, and another attempt would not go better."""


class UnreachedError(ArtifactError):
    """The broker could not be reached, or could not do it now, in as many attempts as were to be made."""


class _BrokenError(Exception):
    """One attempt has failed; another may go better."""


class ArtifactClient:
    """A connection for artifacts, made when it is first needed."""

    def __init__(
        self, dial: Dial, token: str, *, name: str = "", timeout: float = TIMEOUT, attempts: int = ATTEMPTS
    ) -> None:
        """`name` is for people; `timeout` in seconds."""
        self._dial = dial
        self._hello = Hello(PROTOCOL, "artifacts", token, name)
        self._timeout = timeout
        self._attempts = attempts
        self._socket: socket.socket | None = None
        self._using = threading.Lock()
        self._given_up = False
        self._near = False
        """Whether the broker is on this machine."""
        self._connection = ArtifactConnection("peer")
        self._buffer = bytearray(PIECE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; another is made if need be."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def give_up(self) -> None:
        """Let whatever a thread does with it fail, now and from now on; in any thread."""
        self._given_up = True
        self.interrupt()
        if self._using.acquire(blocking=False):
            self.close()
            self._using.release()

    def interrupt(self) -> None:
        """Break the connection, which leads nowhere any more: whatever a thread does with it is begun anew."""
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS's own would not wake who waits

    def upload(self, digest: str, content: bytes | memoryview | Path, *, output: bool = False) -> None:
        """Have the broker store an artifact, unless it has it. Raises ArtifactError, and OSError for the file.

        `output`: it is what a job has printed.
        """
        self._try(f"send artifact {digest}", lambda: self._upload(digest, content, output=output))

    def fetch(self, digest: str, most: int, *, last: bool = False) -> bytearray:
        """Return an artifact of so many bytes at most, checked. Raises ArtifactError.

        With `last` the broker need not keep it, where it is what a job has printed.
        """
        return self._try(f"get artifact {digest}", lambda: self._fetch(digest, most, last=last))

    def fetch_into(self, digest: str, size: int, descriptor: int) -> None:
        """Write an artifact of `size` bytes to a file, and check it. Raises ArtifactError, OSError for the file.

        The file must be empty; if this fails nobody must use what is in it.
        """
        self._try(f"get artifact {digest}", lambda: self._fetch_into(digest, size, descriptor))

    # attempts

    def _try(self, what: str, work: Callable[[], T]) -> T:
        with self._using:
            try:
                return self._attempt(what, work)
            finally:
                if self._given_up:
                    self.close()

    def _attempt(self, what: str, work: Callable[[], T]) -> T:
        pause = _PAUSE
        reason = "it was given up"
        for attempt in range(0 if self._given_up else self._attempts):
            fresh = self._socket is None
            try:
                return work()
            except _BrokenError as error:
                self.close()
                reason = str(error)
            except BaseException:
                self.close()  # whatever it was, what comes next on it is unknown
                raise
            if self._given_up:
                break
            if fresh and attempt < self._attempts - 1:  # else the broker had closed it, as it may between two requests
                time.sleep(pause)
                pause *= 2
        raise UnreachedError(f"failed to {what}: {reason}", hint="look whether the broker runs, and can be reached")

    # one attempt

    def _upload(self, digest: str, content: bytes | memoryview | Path, *, output: bool) -> None:
        if isinstance(content, Path):
            with content.open("rb", buffering=0) as file:
                self._upload_file(digest, file, output=output)
        else:
            self._upload_bytes(digest, content, output=output)

    def _upload_file(self, digest: str, file: FileIO, *, output: bool) -> None:
        size = os.fstat(file.fileno()).st_size
        connection = self._open()
        if size <= _COMPRESSED and self._compresses(os.pread(file.fileno(), _SAMPLE, 0)):
            self._upload_bytes(digest, file.read(), output=output)
        elif self._offer(Put(digest, size, size, output=output)):
            try:
                sent = connection.sendfile(file, 0, size) if size else 0
            except OSError as error:
                raise _BrokenError(_reason(error)) from None
            if sent != size:
                raise ArtifactError(f"failed to send artifact {digest}: its file became shorter meanwhile")
            self._answer(digest, Stored)

    def _upload_bytes(self, digest: str, content: bytes | memoryview, *, output: bool) -> None:
        self._open()
        size = len(content)
        put = Put(digest, size, size, output=output)
        if size <= _COMPRESSED and self._compresses(bytes(content[:_SAMPLE])):
            from maelstrom_core.compression import zstd

            content = zstd.compress(content, _LEVEL)
            put = Put(digest, size, len(content), "zstd", output)
        if self._offer(put):
            self._transmit(content)
            self._answer(digest, Stored)

    def _offer(self, put: Put) -> bool:
        """Return whether the broker wants it."""
        self._send(put)
        return isinstance(self._answer(put.digest, Go, Stored), Go)

    def _compresses(self, sample: bytes) -> bool:
        """Tell whether to compress: not what hardly becomes smaller, nor for a broker on this machine."""
        self._open()
        if self._near or len(sample) < 512:
            return False
        from maelstrom_core.compression import zstd

        return len(zstd.compress(sample, _LEVEL)) < len(sample) * _WORTH_IT

    def _fetch(self, digest: str, most: int, *, last: bool) -> bytearray:
        size = self._ask(digest, last=last)
        if size > most:
            raise ArtifactError(f"failed to get artifact {digest}: it has {size} bytes, more than {most}")
        data = bytearray(size)
        with memoryview(data) as view:
            at = 0
            while self._connection.left:
                at += self._read(view[at:])
        if blake3(data).hexdigest() != digest:
            raise _BrokenError("what has come has another digest")
        return data

    def _fetch_into(self, digest: str, size: int, descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        announced = self._ask(digest)
        if announced != size:
            raise ArtifactError(f"failed to get artifact {digest}: it has {announced} bytes where {size} were expected")
        arriving = ArrivingFile(descriptor, size)
        with memoryview(self._buffer) as view:
            while self._connection.left:
                with view[: self._fill(view)] as part:
                    arriving.write(part)
        if arriving.hexdigest() != digest:
            raise _BrokenError("what has come has another digest")

    def _ask(self, digest: str, *, last: bool = False) -> int:
        self._open()
        self._send(Get(digest, last))
        answer = self._answer(digest, Content)
        assert isinstance(answer, Content)  # noqa: S101 - `_answer` sees to it
        self._connection.expect_content(answer.size)
        return answer.size

    def _fill(self, view: memoryview) -> int:
        """Read content until there is no more, or the buffer is full."""
        at = 0
        while at < len(view) and self._connection.left:
            at += self._read(view[at:])
        return at

    def _read(self, view: memoryview) -> int:
        """Read some content."""
        connection = self._connection
        if buffered := connection.take_buffered(view):
            return buffered
        count = self._receive(view[: connection.left])
        if not count:
            raise _BrokenError("the broker closed the connection in the middle of it")
        connection.received_content(count)
        return count

    # the connection

    def _open(self) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = self._dial()
                if self._given_up:
                    raise ConnectionError("it was given up")
                peer = self._socket.getpeername()
                self._near = not isinstance(peer, tuple) or peer[0] in {"127.0.0.1", "::1"}
                self._socket.settimeout(self._timeout)
                with contextlib.suppress(OSError):
                    self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                raise _BrokenError(_reason(error)) from None
            except InfrastructureError as error:
                raise _BrokenError(error.message) from None
            self._greet()
        return self._socket

    def _greet(self) -> None:
        greeting = Connection("artifacts")
        greeting.greet(self._hello)
        self._transmit(b"".join(greeting.data_to_send()))
        while not (events := greeting.events()):
            data = self._receive_some()
            if data:
                greeting.receive_data(data)
            else:
                greeting.receive_eof()
        if not isinstance(events[0], Greeted):
            closed = events[0]
            reason = closed.reason if isinstance(closed, Closed) else "it said something else than hello"
            raise ArtifactError(f"failed to connect to the broker: {reason}")
        self._connection = ArtifactConnection("peer", greeting.rest())

    def _send(self, message: AnyArtifactMessage) -> None:
        self._transmit(frame(message))

    def _answer(self, digest: str, *kinds: type) -> Event:
        """Return the broker's answer. Raises ArtifactError or _BrokenError for another one."""
        while (event := self._connection.next_event()) is NEED_DATA:
            data = self._receive_some()
            if data:
                self._connection.receive_data(data)
            else:
                self._connection.receive_eof()
        if isinstance(event, Refused):
            if event.again:
                raise _BrokenError(event.reason)
            raise ArtifactError(f"the broker refused artifact {digest}: {event.reason}")
        if isinstance(event, Closed):
            raise _BrokenError(event.reason)
        if not isinstance(event, kinds) or getattr(event, "digest", digest) != digest:
            raise _BrokenError(f"the broker answered by {type(event).__name__}")
        return event

    def _transmit(self, data: bytes | memoryview) -> None:
        try:
            assert self._socket is not None  # noqa: S101 - `_open` has been called
            self._socket.sendall(data)
        except OSError as error:
            raise _BrokenError(_reason(error)) from None

    def _receive(self, view: memoryview) -> int:
        try:
            assert self._socket is not None  # noqa: S101
            return self._socket.recv_into(view)
        except OSError as error:
            raise _BrokenError(_reason(error)) from None

    def _receive_some(self) -> bytes:
        with memoryview(self._buffer) as view:
            return bytes(view[: self._receive(view[: 64 << 10])])


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "the broker is silent, or takes nothing"
    return error.strerror or str(error)
