"""Copies the contents of one file to another: shared where the file system can (reflinks), holes as holes.

Imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

_FICLONE = 0x40049409
_CHUNK = 1 << 20
_AT_ONCE = 1 << 30


def copy_contents(reader: int, writer: int, size: int) -> None:
    """Fill an empty file, open as `writer`, with the first `size` bytes of `reader`. Raises OSError."""
    with contextlib.suppress(OSError):  # whatever is in the way, copying says so if it matters
        fcntl.ioctl(writer, _FICLONE, reader)
        return
    at = 0
    while at < size:
        try:
            start = os.lseek(reader, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                break
            raise
        at = min(os.lseek(reader, start, os.SEEK_HOLE), size)
        _copy_range(reader, writer, start, at)
    os.ftruncate(writer, size)


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    os.lseek(reader, start, os.SEEK_SET)
    os.lseek(writer, start, os.SEEK_SET)
    left = end - start
    with contextlib.suppress(OSError):
        while left > 0 and (done := os.copy_file_range(reader, writer, min(left, _AT_ONCE))):
            left -= done
    # both descriptors stand where it stopped: at the end, or at what the kernel could not do
    while left > 0 and (chunk := os.read(reader, min(left, _CHUNK))):
        left -= len(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(writer, view) :]
