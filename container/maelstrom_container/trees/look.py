"""What a directory tree of this machine holds, as the kernel says it: one call of C for each directory.

Reads directories, no files. Imports the C library and the manifest's vocabulary.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

import msgspec

from maelstrom_container.digest_cache import is_settled
from maelstrom_container.file_batches import RECORD, Signature, records_of, scan, unpacked
from maelstrom_core.errors import SpecError


class Source(msgspec.Struct, frozen=True):
    """A directory, where it appears in the layer, and what of it does not, by path relative to it.

    `fixed` is one of the layer store: it never changes, and has the marks of an overlay's layer.
    """

    root: bytes
    target: bytes = b""
    hidden: frozenset[bytes] = frozenset()
    fixed: bool = False

    def local(self, path: bytes) -> bytes:
        """Return where on this machine an entry of the layer is."""
        relative = path[len(self.target) :].lstrip(b"/")
        return self.root + b"/" + relative if relative else self.root


class Folder(msgspec.Struct, frozen=True, array_like=True):
    """What a scan said of a directory; not `settled` if it could have changed again without a scan's seeing it."""

    records: bytes
    settled: bool
    folders: tuple[bytes, ...]
    """The directories in it that are part of the tree, by their path relative to it, with a slash at the end."""


class Found(msgspec.Struct, frozen=True):
    """Something in a tree."""

    path: bytes
    """In the layer."""
    record: bytes
    mode: int
    own: Signature


class Look(msgspec.Struct):
    """All directories of a tree, by their path relative to it, which is empty or ends with a slash."""

    folders: dict[bytes, Folder]
    unreadable: list[bytes]
    """Directories that the caller may not list, on this machine."""


def look(source: Source, before: dict[bytes, Folder]) -> Look:
    """Return what there is now. Raises SpecError where a directory cannot be read but for permissions.

    `before` is what there was the last time, of the same source.
    """
    seen = Look({}, [])
    pending = [b""]
    while pending:
        folder = pending.pop()
        local = source.root + b"/" + folder
        try:
            records, latest = scan(local)
        except NotADirectoryError:
            if not folder:
                raise SpecError(f"failed to read {os.fsdecode(source.root)}: it is not a directory") from None
            continue
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM}:
                raise SpecError(f"failed to read {os.fsdecode(local)}: {error.strerror}") from None
            seen.unreadable.append(local)
            continue
        then = before.get(folder)
        same = then is not None and then.records == records
        folders = then.folders if then is not None and same else _folders_in(source, folder, records)
        seen.folders[folder] = Folder(records, is_settled(latest), folders)
        pending.extend(folders)
    return seen


def _folders_in(source: Source, folder: bytes, records: bytes) -> tuple[bytes, ...]:
    return tuple(
        folder + name + b"/"
        for name, mode in unpacked(records)
        if stat.S_ISDIR(mode) and folder + name not in source.hidden
    )


def found_in(source: Source, folder: bytes, records: bytes) -> Iterator[Found]:
    """Yield what a scan found in one directory, but for what is hidden."""
    below = source.target + b"/" + folder if source.target else folder
    for name, record in records_of(records):
        if folder + name not in source.hidden:
            mode, _, *own = RECORD.unpack(record)
            yield Found(below + name, record, mode, Signature(*own))
