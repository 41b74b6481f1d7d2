"""Unpacking a tar archive into a directory, as a layer. The archive may be hostile.

tarfile parses the headers, nothing else of it is used: `tree_writer` writes. OCI whiteouts become overlay whiteouts;
owners, extended attributes and set-id bits are dropped; modification times are kept. Everything is bounded.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from maelstrom_container.archive_stream import ArchiveStream, Readable
from maelstrom_container.manifest import show
from maelstrom_container.tree_writer import TreeWriter
from maelstrom_core.errors import SpecError

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_RESERVED = b".wh..wh."
_HEADERS = 2 << 20
"""Bytes that the headers of one member may take: long names and extended attributes."""
_CHUNK = 1 << 18
_DIRECTORY_SIZE = 4096
_PADDING = 1 << 26
"""Bytes that may follow the end of an archive: archivers fill blocks of a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold; sizes in bytes. Paths are bounded by the manifest's rules."""

    total_size: int = 64 << 30
    entries: int = 2_000_000


DEFAULT_LIMITS = Limits()


class _Header(tarfile.TarInfo):
    """A member; unlike tarfile's own, a damaged header after the first is an error, not the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _Header:
        try:
            return super().fromtarfile(archive)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None


def extract_tar(
    archive: Readable,
    root: int,
    *,
    limits: Limits = DEFAULT_LIMITS,
    observe: Callable[[bytes], object] | None = None,
    leave_out_devices: bool = False,
) -> int:
    """Unpack below the directory open as `root`, which must be empty; returns the size on disk, in bytes.

    `observe` is called with all the bytes of the archive, decompressed, its padding included. Devices and pipes are an
    error unless they are to be left out.

    Raises SpecError if the archive is damaged, too large, or holds what a layer cannot (devices, pipes, sparse files, a
    file twice, hard links to nothing, paths with `..` or through symlinks). Lets OSErrors of writing through.
    """
    try:
        stream = ArchiveStream(archive, observe)
        stream.allow(_HEADERS)
        with (
            tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header, bufsize=_CHUNK) as tar,
            TreeWriter(root) as writer,
        ):
            size = _extract(tar, stream, writer, limits, leave_out_devices=leave_out_devices)
        if observe is not None:
            _read_padding(stream)
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise SpecError(f"the archive is damaged: {error}") from None
    except Exception as error:
        # these are imported only when an archive needs them
        if type(error).__name__ in {"LZMAError", "ZstdError"}:
            raise SpecError(f"the archive is damaged: {error}") from None
        raise
    return size


def _read_padding(stream: ArchiveStream) -> None:
    """Read what follows the end, of which there may be some."""
    stream.allow(_PADDING)
    while stream.read(_CHUNK):
        pass


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
        entries += 1
        size += max(member.size, 0) if member.isreg() else _DIRECTORY_SIZE if member.isdir() else 0
        if entries > limits.entries or size > limits.total_size:
            raise SpecError(f"the archive holds more than {limits.entries} entries or {limits.total_size} bytes")
        if leave_out_devices and member.isdev():
            continue
        # what a member has beside the file proper is skipped by tarfile in the next call
        stream.allow(max(member.size, 0) + 2 * _HEADERS)
        _write(tar, member, stream, writer)
    writer.finish()
    return size


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, stream: ArchiveStream, writer: TreeWriter) -> None:
    path = os.fsencode(member.name)
    directory, _, name = path.rstrip(b"/").rpartition(b"/")
    if any(each.startswith(_WHITEOUT) for each in directory.split(b"/")):
        raise SpecError(f"the archive has a whiteout as a directory: {show(path)}")
    mtime = int(member.mtime * 1_000_000_000)
    if name.startswith(_WHITEOUT):
        hidden = name[len(_WHITEOUT) :]
        if name == _OPAQUE:
            writer.opaque(directory)
        elif hidden in {b"", b".", b".."}:
            raise SpecError(f"the archive has a whiteout of nothing: {show(path)}")
        elif not name.startswith(_RESERVED):  # the rest of these is aufs's own book-keeping
            writer.whiteout(directory + b"/" + hidden)
    elif member.issparse():
        raise SpecError(f"the archive holds a sparse file: {show(path)}", hint="create it without --sparse")
    elif member.isreg():
        writer.file(path, member.mode, mtime, _contents(tar, member, stream))
    elif member.isdir():
        writer.directory(path, member.mode, mtime)
    elif member.issym():
        writer.symlink(path, os.fsencode(member.linkname), mtime)
    elif member.islnk():
        writer.hard_link(path, os.fsencode(member.linkname))
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
