"""What arrives by a socket is in the file, and its digest is told: by a pipe, or through memory, or both in turns."""

from __future__ import annotations

import errno
import mmap
import os
import socket
import threading
from collections.abc import Iterator
from tempfile import TemporaryFile

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core import arriving_file
from maelstrom_core.arriving_file import ArrivingFile, Pipe


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        yield ours, theirs


def spliced(ends: tuple[socket.socket, socket.socket], descriptor: int) -> ArrivingFile:
    """Return a file to which seven bytes have come."""
    ours, theirs = ends
    theirs.sendall(b"content")
    arriving = ArrivingFile(descriptor)
    with Pipe() as pipe:
        for count in pipe.fills(ours, 7, lambda: 5.0):
            arriving.take(pipe, count)
    return arriving


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 300_000)), max_size=6))
def test_the_digest_is_that_of_the_file(parts: list[tuple[bool, int]]) -> None:
    contents = [os.urandom(size) for _, size in parts]
    ours, theirs = socket.socketpair()
    with ours, theirs, TemporaryFile() as file, Pipe() as pipe, pytest.MonkeyPatch.context() as patch:
        patch.setattr(arriving_file, "_WINDOW", 64 << 10)  # so that there are several
        arriving = ArrivingFile(file.fileno())
        for (by_pipe, size), content in zip(parts, contents, strict=True):
            if by_pipe:
                sender = threading.Thread(target=theirs.sendall, args=(content,))
                sender.start()
                for count in pipe.fills(ours, size, lambda: 5.0):
                    arriving.take(pipe, count)
                sender.join()
            else:
                arriving.write(content)
        whole = b"".join(contents)
        assert os.pread(file.fileno(), len(whole) + 1, 0) == whole
        assert arriving.size == len(whole)
        assert arriving.hexdigest() == blake3(whole).hexdigest()


def test_where_files_cannot_be_mapped_they_are_read(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with TemporaryFile() as file:
        arriving = spliced(ends, file.fileno())
        assert arriving.hexdigest() == blake3(b"content").hexdigest()


def test_what_has_gone_from_the_file_is_no_digest(ends: tuple[socket.socket, socket.socket]) -> None:
    with TemporaryFile() as file:
        arriving = spliced(ends, file.fileno())
        os.ftruncate(file.fileno(), 3)
        with pytest.raises(OSError, match="cannot be read"):
            arriving.hexdigest()


def test_no_more_is_taken_than_was_asked_for(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"contentnext")
    with Pipe() as pipe, TemporaryFile() as file:
        for count in pipe.fills(ours, 7, lambda: 5.0):
            pipe.empty(file.fileno(), count)
    assert ours.recv(20) == b"next"


def test_who_is_silent_or_gone_is_not_waited_for(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    with Pipe() as pipe:
        with pytest.raises(TimeoutError):
            next(pipe.fills(ours, 7, lambda: 0.001))
        theirs.close()
        with pytest.raises(ConnectionError):
            next(pipe.fills(ours, 7, lambda: 5.0))
        ours.close()
        with pytest.raises(ConnectionError):
            next(pipe.fills(ours, 7, lambda: 5.0))


def test_where_nothing_can_be_spliced_nothing_is_taken(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    ours, theirs = ends
    theirs.sendall(b"content")
    monkeypatch.setattr(os, "splice", refuse)
    with Pipe() as pipe:
        assert list(pipe.fills(ours, 7, lambda: 5.0)) == []
    assert ours.recv(20) == b"content"
