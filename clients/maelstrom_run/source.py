"""Where the objects come from: a descriptor, read as data arrives.

Pipes and terminals are waited for by the loop; regular files, for which it cannot wait, are read at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from maelstrom_core.errors import UserError

if TYPE_CHECKING:
    import asyncio

CHUNK = 65536


@contextmanager
def open_source(path: str | None) -> Iterator[int]:
    """Give a descriptor of the file, or of standard input for None and "-". Raises UserError."""
    if path is None or path == "-":
        descriptor = 0
        if os.isatty(descriptor):
            print("maelstrom-run: reading job specifications from the terminal, ^D ends them", file=sys.stderr)  # noqa: T201
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


def _read(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except BlockingIOError:
        raise
    except OSError as error:
        raise UserError(f"failed to read job specifications: {error.strerror}") from error


async def read_chunks(descriptor: int) -> AsyncIterator[bytes]:
    """Yield pieces of the descriptor's data as they arrive, until its end."""
    import asyncio

    wait = True
    while True:
        if wait:
            wait = await _readable(descriptor)
        else:
            await asyncio.sleep(0)
        try:
            data = _read(descriptor, CHUNK)
        except BlockingIOError:  # somebody else who shares the pipe was faster
            continue
        if not data:
            return
        yield data


async def _readable(descriptor: int) -> bool:
    """Wait for data; return False if this kind of file is not waited for."""
    import asyncio

    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_reader(descriptor, _set, ready)
    except OSError:  # EPERM is epoll's answer to regular files
        return False
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    return True


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
