"""Where the objects come from: a descriptor, read as data arrives.

The loop waits for it; a regular file can be read at any time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from maelstrom_core.errors import UserError

if TYPE_CHECKING:
    from maelstrom_worker.blocking import BlockingLoop

CHUNK = 65536


@contextmanager
def open_source(path: str | None, what: str = "job specifications") -> Iterator[int]:
    """Give a descriptor of the file, or of standard input for None and "-". Raises UserError."""
    if path is None or path == "-":
        descriptor = 0
        if os.isatty(descriptor):
            print(f"maelstrom-run: reading {what} from the terminal, ^D ends them", file=sys.stderr)  # noqa: T201
        yield descriptor
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"failed to open {path}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int, size: int = CHUNK) -> bytes:
    """Wait for data and read what there is; raises UserError for what cannot be read, such as a directory."""
    while True:
        try:
            return _read(descriptor, size)
        except BlockingIOError:  # whoever gave us the descriptor uses it with O_NONBLOCK
            import select

            select.select([descriptor], [], [])


def _read(descriptor: int, size: int, what: str = "job specifications") -> bytes:
    try:
        return os.read(descriptor, size)
    except BlockingIOError:
        raise
    except OSError as error:
        raise UserError(f"failed to read {what}: {error.strerror}") from error


def read_chunks(descriptor: int, loop: BlockingLoop, what: str = "job specifications") -> Iterator[bytes]:
    """Yield pieces of the descriptor's data as they arrive, until its end; the loop turns meanwhile.

    The descriptor is watched only while somebody waits for data, so data that nobody wants yet wakes nobody.
    """
    while True:
        _wait(descriptor, loop)
        try:
            data = _read(descriptor, CHUNK, what)
        except BlockingIOError:  # somebody else who shares the pipe was faster
            continue
        if not data:
            return
        yield data


def _wait(descriptor: int, loop: BlockingLoop) -> None:
    readable: list[bool] = []
    loop.add_reader(descriptor, readable.append, True)
    try:
        while not readable:
            loop.run_once()
    finally:
        loop.remove_reader(descriptor)
