"""What arrives is in the file, and its digest is told; the disk is told the size of what is worth it, once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from tempfile import TemporaryFile

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.arriving_file import ArrivingFile

MANY = 2 << 20


@pytest.fixture
def descriptor() -> Iterator[int]:
    with TemporaryFile(buffering=0) as file:
        yield file.fileno()


@given(st.lists(st.integers(0, 900_000), max_size=4), st.booleans())
def test_the_digest_is_that_of_the_file(sizes: list[int], is_told: bool) -> None:
    parts = [os.urandom(size) for size in sizes]
    whole = b"".join(parts)
    with TemporaryFile(buffering=0) as file:
        arriving = ArrivingFile(file.fileno(), len(whole) if is_told else 0)
        for part in parts:
            arriving.write(memoryview(part))
        assert os.pread(file.fileno(), len(whole) + 1, 0) == whole
    assert arriving.size == len(whole)
    assert arriving.hexdigest() == blake3(whole).hexdigest()


def test_room_is_taken_before_the_first_bytes_are_written(descriptor: int) -> None:
    arriving = ArrivingFile(descriptor, MANY)
    assert os.fstat(descriptor).st_blocks == 0
    arriving.write(b"a")
    assert os.fstat(descriptor).st_blocks * 512 >= MANY


def test_room_that_cannot_be_had_before_is_done_without(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    arriving = ArrivingFile(descriptor, MANY)
    arriving.write(b"content")
    assert os.pread(descriptor, 10, 0) == b"content"


def test_room_that_is_not_there_is_an_error(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space"):
        ArrivingFile(descriptor, MANY).write(b"content")
