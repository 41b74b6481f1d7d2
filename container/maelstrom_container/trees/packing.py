"""Which files share an artifact: small ones are packed, so that a tree of 100,000 files is some hundred artifacts.

A pack is the contents of files that follow each other by path, one behind the other. Where one ends the path of its
last file decides, and no other file: so a change to one file changes one pack, and a file that comes or goes
changes one or two. Paths and sizes only: contents are read once, by pack. Pure; imports nothing of the project.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

ARTIFACTS = 256
"""About how many packs a tree becomes, within the bounds of their size."""
SMALLEST = 256 << 10
LARGEST = 8 << 20
"""Bytes that packs have on average, at least and at most. Four times as much is the most that one may have."""
ALONE = 8
"""A file of an eighth of a pack's size is an artifact of its own."""
MOST_PACKED = 4 * LARGEST


def pack_size(total: int) -> int:
    """Return the average size of packs, in bytes, for a tree of this size: a power of two, so it rarely changes."""
    size = SMALLEST
    while size < LARGEST and size * ARTIFACTS < total:
        size *= 2
    return size


def pack(files: Iterable[tuple[bytes, int]], size: int) -> tuple[list[list[bytes]], list[bytes]]:
    """Return the packs, each a list of paths, and the paths of files that go alone; in the order given.

    `files` are paths and sizes, sorted by path, none of them empty; `size` is the average of packs, in bytes.
    """
    packs: list[list[bytes]] = []
    alone: list[bytes] = []
    current: list[bytes] = []
    filled = 0
    for path, length in files:
        if length * ALONE >= size:
            alone.append(path)
            continue
        if filled + length > 4 * size:
            packs.append(current)
            current, filled = [], 0
        current.append(path)
        filled += length
        # the larger the file the likelier the end: on average, a pack's size comes together
        if filled >= size // 4 and zlib.crc32(path) * size < length << 32:
            packs.append(current)
            current, filled = [], 0
    if current:
        packs.append(current)
    return packs, alone
