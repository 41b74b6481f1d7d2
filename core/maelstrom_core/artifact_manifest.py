"""What every manifest begins with: which other artifacts belong to it. The rest is for those who asked for it.

    maelstrom manifest 1       a line of ASCII
    4 bytes                    how many digests follow, big-endian
    32 bytes each              the digests
    the rest                   a layer's tree, see `maelstrom_container.trees`

So that a broker knows what a job needs, and nothing of containers. Imports nothing of the project but `errors`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Protocol

from maelstrom_core.errors import SpecError

MAGIC = b"maelstrom manifest 1\n"
MOST_NAMED = 1_000_000
"""Artifacts that one manifest may name."""


class Readable(Protocol):
    """A file that is read from its beginning."""

    def read(self, size: int, /) -> bytes | None:
        """Return so many bytes, or what there is."""


_COUNT = struct.Struct(">I")
_DIGEST = 32
_AT_ONCE = 1000


def join_manifest(named: Iterable[str], rest: bytes) -> bytes:
    """Return a manifest that names these digests (64 hexadecimal digits each), in this order."""
    digests = b"".join(map(bytes.fromhex, named))
    return b"".join((MAGIC, _COUNT.pack(len(digests) // _DIGEST), digests, rest))


def split_manifest(data: bytes | bytearray) -> tuple[tuple[str, ...], memoryview]:
    """Return what a manifest names, and the rest. Raises SpecError if it is none."""
    start = len(MAGIC) + _COUNT.size
    count = _counted(bytes(data[:start]))
    end = start + count * _DIGEST
    if len(data) < end:
        raise SpecError("a manifest is truncated")
    return tuple(data[at : at + _DIGEST].hex() for at in range(start, end, _DIGEST)), memoryview(data)[end:]


def read_named(file: Readable) -> Iterator[tuple[str, ...]]:
    """Yield what a manifest names, some digests at a time. Raises SpecError if it is none, and OSError."""
    left = _counted(file.read(len(MAGIC) + _COUNT.size) or b"")
    while left:
        some = min(left, _AT_ONCE)
        data = file.read(some * _DIGEST) or b""
        if len(data) != some * _DIGEST:
            raise SpecError("a manifest is truncated")
        yield tuple(data[at : at + _DIGEST].hex() for at in range(0, len(data), _DIGEST))
        left -= some


def _counted(head: bytes) -> int:
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + _COUNT.size:
        raise SpecError("it is no manifest of a version that is known here")
    (count,) = _COUNT.unpack_from(head, len(MAGIC))
    if count > MOST_NAMED:
        raise SpecError(f"a manifest names {count} artifacts, more than {MOST_NAMED}")
    return int(count)
