"""Tests that the collecting job has found so far: read from a pipe that is shown to its container.

What comes is only a hint which tests there will be: the collection says what there is. So whatever goes wrong here, or
is sent by somebody who should not, costs time at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from maelstrom_pytest.plan import PIPE
from maelstrom_pytest.records import MAX_RECORD, Item

Found = Callable[[tuple[Item, ...]], None]
"""Is given the items of a file."""


class FileItems(msgspec.Struct, frozen=True):
    """The items of one file."""

    items: tuple[Item, ...]


_decoder: msgspec.json.Decoder[FileItems] = msgspec.json.Decoder(FileItems)


def take_records(buffer: bytearray) -> list[FileItems]:
    """Take the complete records off the front of what was received. Raises ValueError for what is none."""
    found = []
    while len(buffer) >= 4:
        size = int.from_bytes(buffer[:4], "big")
        if size > MAX_RECORD:
            raise ValueError(f"a record of {size} bytes")
        if len(buffer) < 4 + size:
            break
        found.append(_decoder.decode(buffer[4 : 4 + size]))
        del buffer[: 4 + size]
    return found


class EarlyItems:
    """A pipe in a directory of its own, for a `with` block inside an event loop.

    The directories stay, for later runs: there are as many as there were runs at once, and a run that is killed leaves
    nothing. Which are in use is told by locks.
    """

    def __init__(self, place: Path, found: Found) -> None:
        self._place = place
        self._found = found
        self._buffer = bytearray()
        self.directory = ""
        self._lock = self._pipe = -1

    def __enter__(self) -> Self:
        """Take a pipe and read it as things come. Raises OSError."""
        try:
            self._take()
            path = f"{self.directory}/{PIPE}"
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            # for writing, too: else it would be at its end whenever no writer has it open
            self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            asyncio.get_running_loop().add_reader(self._pipe, self._read)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _take(self) -> None:
        """Lock the first directory that nobody uses."""
        for number in itertools.count():
            self.directory = f"{self._place}/{number}"
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            self._lock = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                self._lock = -1
            else:
                return

    def _close(self) -> None:
        if self._pipe >= 0:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = self._pipe = -1

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._buffer += os.read(self._pipe, 1 << 20)
        try:
            records = take_records(self._buffer)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            self._found = lambda _items: None
            self._buffer.clear()
            return
        for record in records:
            self._found(record.items)
