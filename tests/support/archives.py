"""Tar archives made by hand, byte for byte, so that they can say what no archiver would write; and what became of them.

The tables of hostile archives are made of these (`hostile_archives`), the corpus of the fuzz target too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

BLOCK = 512
END = bytes(2 * BLOCK)
MTIME = 1_500_000_000
FILE, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO, CONTIGUOUS = (b"%d" % number for number in range(8))
LONG_NAME, LONG_LINK, SPARSE, PAX, PAX_GLOBAL = b"L", b"K", b"S", b"x", b"g"
CHECKSUM = slice(148, 156)


def base_256(value: int, width: int = 12) -> bytes:
    """Return a number as GNU tar writes those that octal digits have no room for; negative ones too."""
    if value < 0:
        return (2 ** (8 * width) + value).to_bytes(width, "big")
    return b"\x80" + value.to_bytes(width - 1, "big")


def header(
    name: bytes,
    kind: bytes = FILE,
    *,
    size: int | bytes = 0,
    mode: int | bytes = 0o644,
    mtime: int | bytes = MTIME,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    device: int = 0,
    checksum: int | None = None,
    tail: Mapping[int, bytes] | None = None,
) -> bytes:
    """Return one header block; numbers may be given as bytes, to stand there as they are, and `tail` by offset."""
    fields = (
        (name, 100),
        (_number(mode, 8), 8),
        (_number(0, 8), 8),
        (_number(0, 8), 8),
        (_number(size, 12), 12),
        (_number(mtime, 12), 12),
        (b" " * 8, 8),
        (kind, 1),
        (link, 100),
        (magic, 8),
        (b"", 64),
        (_number(device, 8), 8),
        (_number(0, 8), 8),
        (prefix, 155),
    )
    block = bytearray(b"".join(value.ljust(width, b"\0")[:width] for value, width in fields).ljust(BLOCK, b"\0"))
    for offset, value in (tail or {}).items():
        block[offset : offset + len(value)] = value
    return seal(block, checksum)


def seal(block: bytes | bytearray, checksum: int | None = None) -> bytes:
    """Return a header block with its checksum, or with another one."""
    whole = bytearray(block)
    whole[CHECKSUM] = b" " * 8
    whole[CHECKSUM] = b"%06o\0 " % (sum(whole) if checksum is None else checksum)
    return bytes(whole)


def padded(data: bytes) -> bytes:
    """Return data filled up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def member(
    name: bytes,
    data: bytes = b"",
    kind: bytes = FILE,
    *,
    size: int | bytes | None = None,
    mode: int | bytes = 0o644,
    mtime: int | bytes = MTIME,
    link: bytes = b"",
    prefix: bytes = b"",
) -> bytes:
    """Return a header and its data."""
    length = len(data) if size is None else size
    return header(name, kind, size=length, mode=mode, mtime=mtime, link=link, prefix=prefix) + padded(data)


def directory(name: bytes, mode: int = 0o755) -> bytes:
    return member(name, kind=DIRECTORY, mode=mode)


def symlink(name: bytes, target: bytes) -> bytes:
    return member(name, kind=SYMLINK, link=target, mode=0o777)


def hard_link(name: bytes, target: bytes) -> bytes:
    return member(name, kind=HARD_LINK, link=target)


def pax(*records: tuple[bytes, bytes], kind: bytes = PAX) -> bytes:
    """Return an extended header: records for the member that follows, or for all with PAX_GLOBAL."""
    return member(b"pax", b"".join(_record(key, value) for key, value in records), kind)


def long(text: bytes, kind: bytes = LONG_NAME) -> bytes:
    """Return GNU's header of a long name, or with LONG_LINK of a long target."""
    return member(b"././@LongLink", text + b"\0", kind)


def _number(value: int | bytes, width: int) -> bytes:
    if isinstance(value, bytes):
        return value
    if value < 0 or value >= 8 ** (width - 1):
        return base_256(value, width)
    return b"%0*o\0" % (width - 1, value)


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest
    while length != rest + len(b"%d" % length):  # it counts its own digits
        length = rest + len(b"%d" % length)
    return b"%d %s=%s\n" % (length, key, value)


def listing(root: os.PathLike[str] | str) -> dict[bytes, str]:
    """Return what is below a directory, the root left out: by path, what it is, its mode and what it holds.

    By descriptors, as paths may be longer than the kernel takes.
    """
    found: dict[bytes, str] = {}
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _list(descriptor, b"", found)
    finally:
        os.close(descriptor)
    return found


def _list(parent: int, path: bytes, found: dict[bytes, str]) -> None:
    for name in sorted(os.listdir(parent), key=os.fsencode):
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        here = path + os.fsencode(name)
        mode = f"{stat.S_IMODE(status.st_mode):o}"
        if stat.S_ISDIR(status.st_mode):
            child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                found[here] = " ".join(["directory", mode, *os.listxattr(child)])
                _list(child, here + b"/", found)
            finally:
                os.close(child)
        elif stat.S_ISLNK(status.st_mode):
            found[here] = "symlink " + os.readlink(name, dir_fd=parent)
        elif stat.S_ISREG(status.st_mode):
            found[here] = f"file {mode} {status.st_size} {status.st_mtime_ns} {status.st_nlink}"
        else:
            found[here] = f"other {status.st_mode:o} {status.st_rdev}"
