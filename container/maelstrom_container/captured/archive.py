"""Writes what a job changed as a tar archive that is a layer: what it removed stands there as whiteouts of images do.

The archive obeys the rules of `extract`, which unpacks it as any `tar` layer. Nothing in it tells who made it or when:
owners are 0, times whole seconds. Imported when an archive is written: with tarfile come three compressors.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from maelstrom_container.captured.upper import Change, Directory, File, Special, Symlink, Whiteout, opened, walk
from maelstrom_container.manifest import MAX_ENTRIES, show
from maelstrom_core.errors import SpecError
from maelstrom_core.job import Capture
from maelstrom_core.whole_file import whole_file

_PREFIX = b".wh."
_OPAQUE = b".wh..wh..opq"
MAX_SIZE = 64 << 30
"""Of all files together, in bytes: no larger archive is a layer. Holes count, as an archive has none."""


def write_archive(capture: Capture, path: Path) -> tuple[bytes, ...]:
    """Write what the job of a capture changed of its root to `path`, put in place when it is complete.

    Returns the paths of pipes, sockets and devices, which are left out, but hide what they replaced. Raises SpecError
    for what no layer can hold, InfrastructureError as `upper.walk` does, OSError where the archive cannot be written.
    """
    root = os.open(f"{capture.directory}/0", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with whole_file(path) as file:
            return pack(walk(root), file)
    finally:
        os.close(root)


def pack(changes: Iterable[Change], file: BinaryIO) -> tuple[bytes, ...]:
    """Write changes as an archive; returns and raises what `write_archive` does."""
    left_out: list[bytes] = []
    size = members = 0
    with tarfile.open(
        fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for change in changes:
            members += 1 + (isinstance(change, Directory) and change.opaque)
            if members > MAX_ENTRIES:
                raise SpecError(f"the job left more than {MAX_ENTRIES} files, which is more than a layer may hold")
            if change.name.startswith(_PREFIX):
                raise SpecError(
                    f"the job left /{show(change.path)}, and such names mean something else in a layer",
                    hint="have the job remove it",
                )
            if isinstance(change, File):
                size += change.size
                if size > MAX_SIZE:
                    raise SpecError(f"the job left more than {MAX_SIZE} bytes, which is more than a layer may hold")
            if isinstance(change, Special):
                left_out.append(change.path)
            _add(archive, change)
            archive.members = []  # type: ignore[attr-defined] # else the list of all grows in memory
    return tuple(left_out)


def _add(archive: tarfile.TarFile, change: Change) -> None:
    match change:
        case Directory():
            archive.addfile(_member(change, tarfile.DIRTYPE))
            if change.opaque:
                archive.addfile(_marker(change.path + b"/" + _OPAQUE))
        case File(same_as=None):
            member = _member(change, tarfile.REGTYPE)
            with opened(change) as descriptor, open(descriptor, "rb", closefd=False) as contents:
                member.size = change.size
                archive.addfile(member, contents)
        case File(same_as=bytes(first)):
            member = _member(change, tarfile.LNKTYPE)
            member.linkname = _text(first)
            archive.addfile(member)
        case Symlink():
            member = _member(change, tarfile.SYMTYPE)
            member.linkname = _text(change.target)
            archive.addfile(member)
        case Whiteout() | Special():
            parent, slash, name = change.path.rpartition(b"/")
            archive.addfile(_marker(parent + slash + _PREFIX + name))


def _member(change: Change, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(_text(change.path))
    member.type = kind
    # what else there is in a mode a layer drops
    member.mode = stat.S_IMODE(change.mode) & (0o1777 if isinstance(change, Directory) else 0o777)
    member.mtime = max(0, change.mtime // 1_000_000_000)
    return member


def _marker(path: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(_text(path))
    member.mode = 0o644
    return member


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
