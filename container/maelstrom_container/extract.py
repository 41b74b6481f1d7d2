"""Unpacking a tar archive into a directory, as a layer. The archive may be hostile.

tarfile parses the headers (`tar_headers`), nothing else of it is used: `tree_writer` writes. OCI whiteouts become
overlay whiteouts; owners, extended attributes and set-id bits are dropped; modification times are kept. Everything is
bounded. What becomes of the rarer things is written in docs/decisions/layers.md.
"""

from __future__ import annotations

import math
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from maelstrom_container.archive_stream import ArchiveStream, Readable
from maelstrom_container.manifest import show
from maelstrom_container.tar_headers import encode, open_archive, refuse_sparse
from maelstrom_container.tree_writer import TreeWriter
from maelstrom_core.errors import SpecError

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_RESERVED = b".wh..wh."
_HEADERS = 2 << 20
"""Bytes that the headers of one member may take: long names and extended attributes."""
_CHUNK = 1 << 18
_DIRECTORY_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold; sizes in bytes. Paths are bounded by the manifest's rules."""

    total_size: int = 64 << 30
    entries: int = 2_000_000
    """Of members, and of directories, those that are implied included."""
    directory_paths: int = 128 << 20
    """The paths of all directories together: they are kept in memory until the end."""


DEFAULT_LIMITS = Limits()


def extract_tar(
    archive: Readable,
    root: int,
    *,
    limits: Limits = DEFAULT_LIMITS,
    observe: Callable[[bytes], object] | None = None,
    of_image: bool = False,
) -> int:
    """Unpack below the directory open as `root`, which must be empty; returns the size on disk, in bytes.

    `observe` is called with all the bytes of the archive, decompressed, its padding included. What is `of_image` may
    hold devices and pipes, which are left out, and files more than once, of which the last is taken.

    Raises SpecError if the archive is damaged, too large, or holds what a layer cannot (devices, pipes, sparse files, a
    file twice, hard links to nothing, paths with `..` or through symlinks). Lets OSErrors of writing through.
    """
    try:
        stream = ArchiveStream(archive, observe)
        stream.allow(_HEADERS)
        with (
            open_archive(stream, _CHUNK) as tar,
            TreeWriter(root, last_wins=of_image) as writer,
        ):
            return _extract(tar, stream, writer, limits, leave_out_devices=of_image)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise SpecError(f"the archive is damaged: {error}") from None


def _extract(
    tar: tarfile.TarFile, stream: ArchiveStream, writer: TreeWriter, limits: Limits, *, leave_out_devices: bool
) -> int:
    size = entries = 0
    while True:
        stream.allow(_HEADERS)
        member = tar.next()
        if member is None:
            break
        # without this the list of all members grows in memory
        tar.members = []  # type: ignore[attr-defined]
        if member.size < 0:
            raise SpecError(f"the archive is damaged: the size of {show(encode(member.name))} is negative")
        entries += 1
        size += member.size if member.isreg() else 0
        # whatever it is: tarfile skips what is said to follow, beyond the end without end
        _check(limits, max(size, member.size) + writer.copied, entries, writer)
        if leave_out_devices and member.isdev():
            continue
        # what a member has beside the file proper is skipped by tarfile in the next call
        stream.allow(member.size + 2 * _HEADERS)
        _write(tar, member, stream, writer)
    size += writer.copied
    _check(limits, size, entries, writer)
    stream.drain(limits.total_size)
    writer.finish()
    return size + writer.directories * _DIRECTORY_SIZE


def _check(limits: Limits, size: int, entries: int, writer: TreeWriter) -> None:
    size += writer.directories * _DIRECTORY_SIZE
    if max(entries, writer.directories) > limits.entries or size > limits.total_size:
        raise SpecError(f"the archive holds more than {limits.entries} entries or {limits.total_size} bytes")
    if writer.directory_paths > limits.directory_paths:
        raise SpecError(f"the archive has directories whose paths take more than {limits.directory_paths} bytes")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, stream: ArchiveStream, writer: TreeWriter) -> None:
    path = encode(member.name)
    directory, _, name = path.rstrip(b"/").rpartition(b"/")
    if any(each.startswith(_WHITEOUT) for each in directory.split(b"/")):
        raise SpecError(f"the archive has a whiteout as a directory: {show(path)}")
    if not math.isfinite(member.mtime):
        raise SpecError(f"the archive is damaged: the modification time of {show(path)} is no number")
    mtime = math.floor(member.mtime) * 1_000_000_000 + int(member.mtime % 1 * 1_000_000_000)
    if name.startswith(_WHITEOUT):
        hidden = name[len(_WHITEOUT) :]
        if name == _OPAQUE:
            writer.opaque(directory)
        elif hidden in {b"", b".", b".."}:
            raise SpecError(f"the archive has a whiteout of nothing: {show(path)}")
        elif not name.startswith(_RESERVED):  # the rest of these is aufs's own book-keeping
            writer.whiteout(directory + b"/" + hidden)
    elif member.issparse():
        raise refuse_sparse(show(path))
    elif member.isreg():
        writer.file(path, member.mode, mtime, _contents(tar, member, stream))
    elif member.isdir():
        writer.directory(path, member.mode, mtime)
    elif member.issym():
        writer.symlink(path, encode(member.linkname), mtime)
    elif member.islnk():
        writer.hard_link(path, encode(member.linkname))
    else:
        raise SpecError(f"the archive holds something that is no file, directory or link: {show(path)}")


def _contents(tar: tarfile.TarFile, member: tarfile.TarInfo, stream: ArchiveStream) -> Iterator[bytes]:
    file = tar.extractfile(member)
    if file is None:
        return
    left = member.size
    while left:
        stream.allow(left + 2 * _HEADERS)
        chunk = file.read(min(_CHUNK, left))
        if not chunk:
            raise EOFError(f"{member.name} ends too early")
        left -= len(chunk)
        yield chunk
