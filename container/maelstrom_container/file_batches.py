"""Work on many files at a time, as Python sees files.c: read them, or make files of a layer, in several threads.

A file costs Python more than the kernel: what can be done for a whole directory in one call is. Imports nothing of the
project but the C library and signatures.
"""

from __future__ import annotations

import itertools
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from maelstrom_container.native import ffi, lib

RECORD = struct.Struct("=IIQqqQQ")
"""struct file_record."""
_READ, _COPY, _WRITE = struct.Struct("@PIIQqqQQq"), struct.Struct("@PPPIqIIQqqQQ"), struct.Struct("@PPIqQQ")
"""struct file_read, file_copy and file_write: packed, thousands take a tenth of the time that their fields take."""
_NOTHING = (0,) * 7
THREADS = min(4, len(os.sched_getaffinity(0)))
READ_AT_ONCE = 256
READ_BUFFER = 4 << 20

T = TypeVar("T")


class Signature(msgspec.Struct, frozen=True):
    """What changes when a file does; times in nanoseconds."""

    size: int
    mtime: int
    ctime: int
    device: int
    inode: int


def signature(status: os.stat_result) -> Signature:
    """Return the signature of a file."""
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)


class FileCopy(msgspec.Struct, frozen=True):
    """A file to be made: its source and what that must still be, its name in the directory, and that of its blob."""

    source: bytes
    expected: Signature
    name: bytes
    blob: bytes
    mode: int
    mtime: int


class FileWrite(msgspec.Struct, frozen=True):
    """A file to be made of a part of contents in memory: its name in the directory, and that of its blob."""

    name: bytes
    blob: bytes
    mode: int
    mtime: int
    at: int
    size: int


class CopyError(Exception):
    """A file could not be made, because of its source or of the layer that it is for."""

    def __init__(self, index: int, error: OSError, *, of_source: bool) -> None:
        super().__init__(str(error))
        self.index, self.error, self.of_source = index, error, of_source


def scan(directory: bytes) -> tuple[bytes, int]:
    """Return records of all that is in a directory, packed (see `unpacked`), and the latest time of a file.

    Raises OSError where it cannot be read.
    """
    size = READ_BUFFER
    latest = ffi.new("int64_t *")
    buffer = _buffer()
    while True:
        used = lib.files_scan(directory, buffer, size, latest)
        if used < 0:
            raise OSError(-used, os.strerror(-used), os.fsdecode(directory))
        if used <= size:
            return bytes(ffi.buffer(buffer, used)), int(latest[0])
        size = used * 2  # more may come meanwhile
        buffer = ffi.new("char[]", size)


def records_of(records: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name of each record of a scan, and the record (see `RECORD`)."""
    at = 0
    while at < len(records):
        middle = at + RECORD.size
        end = middle + int.from_bytes(records[at + 4 : at + 8], sys.byteorder)
        yield records[middle:end], records[at:middle]
        at = end


def unpacked(records: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the name and mode of each record of a scan."""
    at = 0
    while at < len(records):
        mode, name_size, *_ = RECORD.unpack_from(records, at)
        at += RECORD.size + name_size
        yield records[at - name_size : at], mode


def looked(record: bytes) -> tuple[int, Signature]:
    """Return the mode and the signature of a record of a scan."""
    mode, _, size, mtime, ctime, device, inode = RECORD.unpack(record)
    return mode, Signature(size, mtime, ctime, device, inode)


class FileContents(msgspec.Struct, frozen=True):
    """What is in a file, and what the file was all the time that it was read."""

    contents: bytes
    mode: int
    signature: Signature


def read_files(paths: Sequence[bytes]) -> list[FileContents | None]:
    """Return what is in regular files.

    None for what is too large for the rest of a buffer (READ_BUFFER bytes), changed, or cannot be read.
    """
    kept, addresses = _strings(paths)
    files = bytearray(b"".join(_READ.pack(address, *_NOTHING, 0) for address in addresses))
    buffer = _buffer()
    lib.files_read(ffi.cast("struct file_read *", ffi.from_buffer(files)), len(paths), buffer, READ_BUFFER)
    del kept
    contents = memoryview(ffi.buffer(buffer))
    results: list[FileContents | None] = []
    for _, mode, _, size, mtime, ctime, device, inode, at in _READ.iter_unpack(files):
        own = Signature(size, mtime, ctime, device, inode)
        results.append(None if at < 0 else FileContents(bytes(contents[at : at + size]), mode, own))
    return results


def batches(files: Iterable[tuple[T, int]]) -> Iterator[list[T]]:
    """Yield as many files at a time as `read_files` can read in one go; each is given with its size in bytes."""
    batch: list[T] = []
    room = READ_BUFFER
    for file, size in files:
        if batch and (len(batch) == READ_AT_ONCE or room < size + 1):
            yield batch
            batch, room = [], READ_BUFFER
        batch.append(file)
        room -= size + 1
    if batch:
        yield batch


def copy_files(copies: Sequence[FileCopy], directory: int, blobs: int, *, reflinks: bool) -> bool:
    """Make files in a directory, see files_copy; return whether reflinks are worth trying again.

    Raises CopyError for the first that could not be made.
    """
    kept, addresses = _strings([text for copy in copies for text in (copy.source, copy.name, copy.blob)])
    packed = []
    for copy in copies:
        own = copy.expected
        record = (0, 0, own.size, _wrapped(own.mtime), _wrapped(own.ctime), own.device, own.inode)
        packed.append(_COPY.pack(next(addresses), next(addresses), next(addresses), copy.mode, copy.mtime, *record))
    structs = ffi.from_buffer(b"".join(packed))
    results = ffi.new("struct file_results *", {"reflinks": reflinks})
    left = lib.files_copy(ffi.cast("struct file_copy *", structs), len(copies), directory, blobs, results)
    del kept
    if left:
        reason = OSError(results.error, os.strerror(results.error))
        raise CopyError(len(copies) - left, reason, of_source=results.failure == lib.FILE_SOURCE)
    return bool(results.reflinks)


def write_files(writes: Sequence[FileWrite], contents: memoryview | None, directory: int, blobs: int) -> int:
    """Make files in a directory, see files_write; return how many were not made for want of contents.

    Raises OSError for the first that could not be made for another reason.
    """
    kept, addresses = _strings([text for write in writes for text in (write.name, write.blob)])
    packed = [
        _WRITE.pack(next(addresses), next(addresses), write.mode, write.mtime, write.at, write.size) for write in writes
    ]
    structs = ffi.from_buffer(b"".join(packed))
    results = ffi.new("struct file_results *")
    where = ffi.new("int[2]", [directory, blobs])
    # given back at once: Python before 3.11.9 dies where a traceback is collected that holds a memoryview that is lent
    with ffi.from_buffer(b"" if contents is None else contents) as lent:
        data = ffi.NULL if contents is None else lent
        left = lib.files_write(ffi.cast("struct file_write *", structs), len(writes), data, where, results)
    del kept
    if left and results.failure != lib.FILE_SOURCE:
        raise OSError(results.error, os.strerror(results.error), os.fsdecode(writes[-left].name))
    return left


class Carried(msgspec.Struct, frozen=True):
    """What became of files that were carried, for each FILE_LINKED, FILE_LEFT, or where in the contents it begins."""

    at: list[int]
    contents: memoryview
    """Good until this thread's next call."""
    reflinks: bool


def carry_files(places: tuple[int, int, int], records: Sequence[bytes], same: bytes, *, reflinks: bool) -> Carried:
    """Copy files from one directory to another, see files_carry; records have their names behind them.

    Raises OSError for the first that could not be made.
    """
    at = ffi.new("int64_t[]", len(records))
    buffer = _buffer()
    kept = (ffi.from_buffer(b"".join(records)), ffi.from_buffer(same))
    carry = ffi.new("struct file_carry *", (*places, len(records), *kept, buffer, READ_BUFFER, reflinks, 0))
    left = lib.files_carry(carry, at)
    if left:
        name = os.fsdecode(records[-left][RECORD.size :])
        raise OSError(carry.error, os.strerror(carry.error), name)
    return Carried(list(at), memoryview(ffi.buffer(buffer)), bool(carry.reflinks))


def in_threads(work: Callable[[T], object], items: Iterable[T], *, threads: int = THREADS) -> None:
    """Do the work for each item, none of which is None; `items` are drawn one at a time.

    Raises the first exception when all threads have ended; what is drawn after it is dropped.
    """
    source = iter(items)
    first = list(itertools.islice(source, 2))
    if len(first) < 2:  # a thread takes longer than most work
        for item in first:
            work(item)
        return
    source = itertools.chain(first, source)
    mutex = threading.Lock()
    failures: list[BaseException] = []

    def run() -> None:
        while not failures:
            try:
                with mutex:
                    drawn = next(source, None)
                if drawn is None:
                    return
                work(drawn)
            except BaseException as error:  # noqa: BLE001 - it is raised again, where somebody waits
                failures.append(error)

    others = [threading.Thread(target=run, name="layer-files") for _ in range(threads - 1)]
    for other in others:
        other.start()
    run()
    for other in others:
        other.join()
    if failures:
        try:
            raise failures[0]
        finally:
            failures.clear()  # its traceback has them


def _strings(texts: Sequence[bytes]) -> tuple[Any, Iterator[int]]:
    """Return the texts, closed by NUL, in one piece of memory that has to be kept, and the address of each."""
    kept = ffi.from_buffer(b"\0".join((*texts, b"")))
    base = int(ffi.cast("uintptr_t", kept))
    return kept, itertools.accumulate((len(text) + 1 for text in texts[:-1]), initial=base)


_of_thread = threading.local()
_uncleared = ffi.new_allocator(should_clear_after_alloc=False)
"""Of a buffer only what is used costs anything."""


def _buffer() -> Any:
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = _uncleared("char[]", READ_BUFFER)
    return _of_thread.buffer


def _wrapped(time: int) -> int:
    """Return a time as C counts it, in 64 bits."""
    return (time + 2**63) % 2**64 - 2**63
