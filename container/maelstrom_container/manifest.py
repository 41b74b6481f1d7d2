"""A layer as data: which paths it holds and what each is; contents by digest only.

Equal layers have equal digests: entries are sorted, encoding is canonical. There are no owners and no extended
attributes. A file's modification time is kept, in nanoseconds since the epoch, because a .pyc file is valid only
for the modification time of its source; directories and symlinks have none (docs/decisions/layers.md).

Pure: no files. Imports nothing of the project but the errors.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from blake3 import blake3

from maelstrom_core.errors import SpecError

VERSION = 1
MAX_PATH = 4095
MAX_COMPONENT = 255
MAX_DEPTH = 128
MAX_ENTRIES = 2_000_000
_UNCLEAN = re.compile(rb"(?:\A|/)\.{0,2}(?:/|\Z)|\0").search
DIRECTORY_MODE = 0o755
"""The mode of directories that are needed but not named."""

Mode = Annotated[int, msgspec.Meta(ge=0, le=0o777)]
DirectoryMode = Annotated[int, msgspec.Meta(ge=0, le=0o1777)]
Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$", max_length=64)]


class Directory(msgspec.Struct, frozen=True, tag="d", array_like=True):
    """A directory; an `opaque` one hides what lower layers have at its path."""

    mode: DirectoryMode
    opaque: bool = False


class File(msgspec.Struct, frozen=True, tag="f", array_like=True):
    """A regular file; `size` in bytes, `mtime` in nanoseconds since the epoch, `digest` of the contents."""

    mode: Mode
    mtime: Nanoseconds
    size: Size
    digest: Digest


class Symlink(msgspec.Struct, frozen=True, tag="l", array_like=True):
    """A symbolic link; `target` is its text."""

    target: bytes


class HardLink(msgspec.Struct, frozen=True, tag="h", array_like=True):
    """Another name of a file of the same layer; `target` is the file's path."""

    target: bytes


class Whiteout(msgspec.Struct, frozen=True, tag="w", array_like=True):
    """Hides what lower layers have at this path."""


Node = Directory | File | Symlink | HardLink | Whiteout


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A path relative to the root, without leading slash, `.` or `..`; the root itself is empty."""

    path: bytes
    node: Node


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """All entries of a layer, sorted by path."""

    entries: tuple[Entry, ...]

    def encode(self) -> bytes:
        """Return the canonical encoding."""
        return msgspec.msgpack.encode(_Envelope(VERSION, self.entries))

    def digest(self) -> str:
        """Return the digest of the canonical encoding: the layer's name."""
        return blake3(self.encode()).hexdigest()


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    version: int
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(max_length=MAX_ENTRIES)]


class _AnyVersion(msgspec.Struct, frozen=True, array_like=True):
    version: int


def make_manifest(nodes: dict[bytes, Node]) -> Manifest:
    """Return the manifest of nodes by clean path. Raises SpecError if they contradict each other."""
    if len(nodes) > MAX_ENTRIES:
        raise SpecError(f"a layer has {len(nodes)} entries, more than {MAX_ENTRIES}")
    parents: set[bytes] = set()
    for path, node in nodes.items():
        parent = path
        while (parent := parent.rpartition(b"/")[0]) and parent not in parents:
            if not isinstance(nodes.get(parent, _IMPLICIT), Directory):
                raise SpecError(f"/{show(path)} lies below /{show(parent)}, which is not a directory")
            parents.add(parent)
        if not path and not isinstance(node, Directory):
            raise SpecError("the root of a layer must be a directory")
        if isinstance(node, HardLink) and not isinstance(nodes.get(node.target), File):
            raise SpecError(f"/{show(path)} is a hard link to /{show(node.target)}, which is not a file of the layer")
    return Manifest(tuple(Entry(path, nodes[path]) for path in sorted(nodes)))


def decode(data: bytes) -> Manifest:
    """Read what `encode` wrote, by whomever. Raises SpecError if it is truncated, wrong or of another version."""
    try:
        version = msgspec.msgpack.decode(data, type=_AnyVersion).version
        if version != VERSION:
            raise SpecError(f"a layer's manifest has version {version}, not {VERSION}")
        entries = msgspec.msgpack.decode(data, type=_Envelope).entries
    except msgspec.MsgspecError as error:
        raise SpecError(f"a layer's manifest cannot be read: {error}") from None
    for before, entry in zip((None, *entries), entries, strict=False):
        if clean_path(entry.path) != entry.path or (before is not None and before.path >= entry.path):
            raise SpecError(f"a layer's manifest has a path that is unclean or out of order: {show(entry.path)}")
        if isinstance(entry.node, Symlink):
            check_target(entry.path, entry.node.target)
    return make_manifest({entry.path: entry.node for entry in entries})


def clean_path(path: bytes) -> bytes:
    """Return the path relative to the root without `.` and empty components. Raises SpecError for any other trick."""
    if len(path) <= MAX_COMPONENT and _UNCLEAN(path) is None:
        return path  # of thousands all but a few; so short a path cannot be too deep
    components = [each for each in path.split(b"/") if each not in {b"", b"."}]
    if b".." in components:
        raise SpecError(f"a path of a layer contains ..: {show(path)}")
    if b"\0" in path:
        raise SpecError(f"a path of a layer contains a null byte: {show(path)}")
    if len(components) > MAX_DEPTH or any(len(each) > MAX_COMPONENT for each in components):
        raise SpecError(f"a path of a layer is too deep or has too long a component: {show(path)}")
    cleaned = b"/".join(components)
    if len(cleaned) > MAX_PATH:
        raise SpecError(f"a path of a layer is too long: {show(path)}")
    return cleaned


def check_target(path: bytes, target: bytes) -> None:
    """Raise SpecError if the text cannot be that of a symbolic link."""
    if not target or len(target) > MAX_PATH or b"\0" in target:
        raise SpecError(f"the symbolic link /{show(path)} has a target that is empty, too long or contains a null byte")


def show(path: bytes) -> str:
    """Return a path for a message: bounded, and printable whatever its bytes."""
    text = path.decode("utf-8", "backslashreplace")
    text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return text if len(text) <= 200 else text[:100] + "..." + text[-90:]


_IMPLICIT = Directory(DIRECTORY_MODE)
