"""What earlier runs saw of each test: how long it took, and whether it failed.

A file of JSON lines, written as results arrive, so that an interrupted run loses nothing:

    ["test_a.py::test_b", 0, 0.0123, false]

test, which of several of that name, seconds (or null), failed; the last line of a test counts. Several runs may write
at once: a line is one append. Whatever else is in the file is passed over: it is an optimisation only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

Key = tuple[str, int]
Line = tuple[str, int, float | None, bool]

GENERATIONS = 4
"""The file is written anew when it has this many lines for each test."""
BATCH = 64 * 1024
SIZE_LIMIT = 256 * 1024 * 1024


class Past(msgspec.Struct, frozen=True):
    """The last result of a test."""

    seconds: float | None
    """None: it has run in parts of the suite only, which say nothing of durations."""
    failed: bool


class History:
    """The past of a suite's tests; a context manager, in which results are added.

    With `keep_seconds` no duration changes: runs by which a suite is cut into parts must not change where it is cut.
    """

    def __init__(self, path: Path, *, keep_seconds: bool = False) -> None:
        self._path = path
        self._keep_seconds = keep_seconds
        self._past: dict[Key, Past] = {}
        self._lines = 0
        self._file = -1
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        """Read what there is. Where nothing can be read or written there is no past, and none will be."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_SH)  # nobody writes it anew while somebody adds to it
            self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            self._flush()
            if self._lines > GENERATIONS * len(self._past) + 1000:
                self._write_anew()
        os.close(self._file)
        self._file = -1

    def __len__(self) -> int:
        return len(self._past)

    def get(self, name: str, occurrence: int) -> Past | None:
        """Return the last result of a test."""
        return self._past.get((name, occurrence))

    def add(self, name: str, occurrence: int, *, seconds: float, failed: bool) -> None:
        """Take note of a result. It is in the file at once where it failed, a moment later where it passed."""
        past = self._past.get((name, occurrence))
        kept = (None if past is None else past.seconds) if self._keep_seconds else seconds
        self._past[name, occurrence] = Past(kept, failed)
        if self._file < 0:
            return
        self._buffer += _line(name, occurrence, kept, failed)
        self._lines += 1
        if failed or len(self._buffer) > BATCH:
            with contextlib.suppress(OSError):
                self._flush()

    def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        if data:
            os.write(self._file, data)

    def _read(self) -> None:
        with open(self._path, "rb") as file:
            data = file.read(SIZE_LIMIT)
        decoder = msgspec.json.Decoder(Line)
        try:
            lines = decoder.decode_lines(data)
        except msgspec.MsgspecError:
            lines = [line for text in data.splitlines() if (line := _decoded(decoder, text)) is not None]
        self._lines = len(lines)
        for name, occurrence, seconds, failed in lines:
            self._past[name, occurrence] = Past(seconds, failed)

    def _write_anew(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another run adds to it
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.write_bytes(b"".join(_line(*key, past.seconds, past.failed) for key, past in self._past.items()))
        fresh.rename(self._path)


def _line(name: str, occurrence: int, seconds: float | None, failed: bool) -> bytes:
    text = name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")  # JSON holds no half of a character
    return msgspec.json.encode((text, occurrence, seconds if seconds is None else round(seconds, 6), failed)) + b"\n"


def _decoded(decoder: msgspec.json.Decoder[Line], text: bytes) -> Line | None:
    try:
        return decoder.decode(text)
    except msgspec.MsgspecError:
        return None
