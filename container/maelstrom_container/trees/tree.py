"""A layer's tree as it travels: its manifest (`maelstrom_container.manifest`), and in which artifacts the contents are.

Files with contents are either packed (see `packing`) or alone. `packs` says how many of the packed files, in the order
of their paths, each pack holds; what the manifest artifact names is the packs in order, then the files that are alone,
each once, in the order of their paths. Equal trees have equal digests. What is decoded has been validated: paths
that lead outside, contradictions and bombs are refused. Pure.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from maelstrom_container import manifest as layer
from maelstrom_container.manifest import Entry, File, Manifest
from maelstrom_container.trees.packing import MOST_PACKED
from maelstrom_core.artifact_manifest import MOST_NAMED, join_manifest, split_manifest
from maelstrom_core.compression import zstd
from maelstrom_core.errors import SpecError

VERSION = 1
LARGEST_MANIFEST = 128 << 20
"""Bytes of a manifest artifact."""
LARGEST_TREE = 256 << 20
"""Bytes that one may unpack to."""
_LEVEL = 3

Count = Annotated[int, msgspec.Meta(ge=1, le=layer.MAX_ENTRIES)]


class Pack(msgspec.Struct, frozen=True):
    """An artifact that holds the contents of several files, one behind the other."""

    digest: str
    size: int
    files: tuple[Entry, ...]


class Tree(msgspec.Struct, frozen=True):
    """A layer, and the artifacts that its contents are in."""

    manifest: Manifest
    packs: tuple[Pack, ...]
    alone: tuple[tuple[str, tuple[Entry, ...]], ...]
    """Files that are artifacts of their own, by digest."""

    @property
    def named(self) -> tuple[str, ...]:
        """The artifacts that belong to it."""
        return (*(pack.digest for pack in self.packs), *(digest for digest, _ in self.alone))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(_size, self.manifest.entries))


class _Body(msgspec.Struct, frozen=True, array_like=True):
    version: int
    packed: int
    """Files of this many bytes or more are alone."""
    packs: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MOST_NAMED)]
    manifest: bytes


def make_tree(manifest: Manifest, packs: list[tuple[str, int]], packed: int) -> Tree:
    """Return the tree of a manifest. Raises SpecError where packs do not fit it.

    `packs` are the digest of each and the number of its files; a file of `packed` bytes or more is in none.
    """
    alone: dict[str, list[Entry]] = {}
    small: list[Entry] = []
    for entry in manifest.entries:
        if isinstance(entry.node, File) and entry.node.size:
            if entry.node.size < packed:
                small.append(entry)
            else:
                alone.setdefault(entry.node.digest, []).append(entry)
    made: list[Pack] = []
    at = 0
    for digest, count in packs:
        files = tuple(small[at : at + count])
        size = sum(map(_size, files))
        if size > MOST_PACKED:
            raise SpecError(f"a layer's manifest has a pack of {size} bytes, more than {MOST_PACKED}")
        made.append(Pack(digest, size, files))
        at += count
    if at != len(small):
        raise SpecError("a layer's manifest has packs that do not hold its files")
    for digest, entries in alone.items():
        if len(set(map(_size, entries))) > 1:
            raise SpecError(f"a layer's manifest gives artifact {digest} several sizes")
    return Tree(manifest, tuple(made), tuple((digest, tuple(entries)) for digest, entries in alone.items()))


def encode(tree: Tree, packed: int) -> bytes:
    """Return the manifest artifact."""
    body = _Body(VERSION, packed, tuple(len(pack.files) for pack in tree.packs), tree.manifest.encode())
    return join_manifest(tree.named, zstd.compress(msgspec.msgpack.encode(body), _LEVEL))


def decode(data: bytes | bytearray) -> Tree:
    """Read what `encode` wrote, by whomever. Raises SpecError for whatever is wrong with it."""
    named, rest = split_manifest(data)
    try:
        body = msgspec.msgpack.decode(_decompress(rest), type=_Body)
    except msgspec.MsgspecError as error:
        raise SpecError(f"a layer's manifest cannot be read: {error}") from None
    if body.version != VERSION:
        raise SpecError(f"a layer's manifest has version {body.version}, not {VERSION}")
    if len(body.packs) > len(named):
        raise SpecError("a layer's manifest has more packs than it names")
    tree = make_tree(layer.decode(body.manifest), list(zip(named, body.packs, strict=False)), body.packed)
    if tree.named != named:
        raise SpecError("a layer's manifest names other artifacts than it needs")
    return tree


def _size(entry: Entry) -> int:
    return entry.node.size if isinstance(entry.node, File) else 0


def _decompress(data: memoryview) -> bytes:
    try:
        unpacker = zstd.ZstdDecompressor()
        body: bytes = unpacker.decompress(data, LARGEST_TREE)
    except zstd.ZstdError:
        raise SpecError("a layer's manifest cannot be unpacked") from None
    if not unpacker.eof or unpacker.unused_data:
        raise SpecError(f"a layer's manifest is truncated, or larger than {LARGEST_TREE} bytes")
    return body
