"""From a tree that has travelled to a directory: what blobs this machine has already is linked, the rest is fetched.

What its installed programs have is copied. A pack is fetched if one of its files is missing, and kept in memory only; a
large file is fetched to where it belongs.
Every file is checked against its own digest: blobs are shared between layers, so one manifest that lies must not
reach another's. Imports the tree writer, which keeps everything below one directory.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from maelstrom_container.blobs import blob_name
from maelstrom_container.file_batches import FileWrite, in_threads, write_files
from maelstrom_container.manifest import Directory, Entry, File, HardLink, Symlink, Whiteout, show
from maelstrom_container.tree_writer import TreeWriter, storable
from maelstrom_container.trees.own_files import OwnFiles
from maelstrom_container.trees.tree import Pack, Tree
from maelstrom_core.errors import SpecError

_ENTRY_SIZE = 4096
"""Bytes that a directory, or an empty entry, counts for."""
_COPIED_AT_ONCE = 1 << 30
THREADS = 4
"""Fetches at the same time."""


class Fetch(Protocol):
    """How to get artifacts; from several threads."""

    def once(self, digest: str) -> contextlib.AbstractContextManager[None]:
        """Let one at a time do something about an artifact: who comes second finds what the first has made."""

    def memory(self, digest: str, size: int) -> bytes | bytearray:
        """Return an artifact of this size, checked."""

    def file(self, digest: str, size: int, descriptor: int) -> None:
        """Write an artifact of this size, checked, to an empty file."""


def write_tree(tree: Tree, root: int, blobs: Path, fetch: Fetch, own: OwnFiles | None = None) -> int:
    """Write a layer into an empty directory, open as `root`; return its size in bytes.

    `blobs` is the directory of files that layers share, `own` what this machine has beside them. Raises SpecError for
    a manifest that cannot be realised, OSError, and what `fetch` raises.
    """
    with TreeWriter(root) as writer:
        links: list[tuple[bytes, bytes]] = []
        for entry in tree.manifest.entries:
            match entry.node:
                case Directory(mode, opaque):
                    writer.directory(entry.path, mode, opaque=opaque)
                case File(mode, mtime, 0):
                    writer.file(entry.path, mode, mtime, ())
                case Symlink(target):
                    writer.symlink(entry.path, target)
                case HardLink(target):
                    links.append((entry.path, target))
                case Whiteout():
                    writer.whiteout(entry.path)
        shared = os.open(blobs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            contents = _Contents(writer, shared, fetch, own)
            works: Iterator[Pack | tuple[str, tuple[Entry, ...]]] = itertools.chain(tree.alone, tree.packs)
            in_threads(contents.write, works, threads=THREADS)
        finally:
            os.close(shared)
        for path, target in links:
            writer.hard_link(path, target)
        writer.finish()
    return tree.size + _ENTRY_SIZE * len(tree.manifest.entries)


class _Contents:
    """Files of one layer that have contents; used by several threads."""

    def __init__(self, writer: TreeWriter, blobs: int, fetch: Fetch, own: OwnFiles | None) -> None:
        self._writer = writer
        self._mutex = threading.Lock()
        self._blobs = blobs
        self._fetch = fetch
        self._own = own

    def write(self, work: Pack | tuple[str, tuple[Entry, ...]]) -> None:
        """Make the files of one artifact."""
        digest = work.digest if isinstance(work, Pack) else work[0]
        with self._fetch.once(digest):
            if isinstance(work, Pack):
                self._write_pack(work)
            else:
                self._write_alone(*work)

    @contextlib.contextmanager
    def _directory(self, path: bytes) -> Iterator[int]:
        with self._mutex:
            descriptor = self._writer.open_directory(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    # packs

    def _write_pack(self, pack: Pack) -> None:
        writes: dict[bytes, list[FileWrite]] = {}
        places: dict[int, Entry] = {}
        at = 0
        for entry in pack.files:
            node = entry.node
            assert isinstance(node, File)  # noqa: S101 - a pack holds nothing else
            directory, _, name = entry.path.rpartition(b"/")
            write = FileWrite(name, blob_name(node).encode(), node.mode, node.mtime, at, node.size)
            writes.setdefault(directory, []).append(write)
            places[at] = entry
            at += node.size
        left = self._write_files(writes, None)
        if not left:
            return
        if self._own is not None:
            view = memoryview(bytearray(pack.size))
            if self._own.fill([(places[each.at], each.at) for files in left.values() for each in files], view):
                self._write_files(left, view)
                return
        view = memoryview(self._fetch.memory(pack.digest, pack.size))
        if len(view) != pack.size:
            raise SpecError(f"artifact {pack.digest} has {len(view)} bytes, where the manifest says {pack.size}")
        self._check(pack, view)
        self._write_files(left, view)

    def _write_files(
        self, writes: dict[bytes, list[FileWrite]], contents: memoryview | None
    ) -> dict[bytes, list[FileWrite]]:
        """Make files; return those that take contents."""
        left = {}
        for path, files in writes.items():
            with self._directory(path) as directory:
                missing = write_files(files, contents, directory, self._blobs)
            if missing:
                left[path] = files[-missing:]
        return left

    @staticmethod
    def _check(pack: Pack, contents: memoryview) -> None:
        at = 0
        for entry in pack.files:
            node = entry.node
            assert isinstance(node, File)  # noqa: S101
            if blake3(contents[at : at + node.size]).hexdigest() != node.digest:
                raise _lie(entry, pack.digest)
            at += node.size

    # files that are artifacts of their own

    def _write_alone(self, digest: str, entries: tuple[Entry, ...]) -> None:
        made: Entry | None = None
        for entry in entries:
            node = entry.node
            assert isinstance(node, File)  # noqa: S101
            directory, _, name = entry.path.rpartition(b"/")
            with self._directory(directory) as parent:
                if not self._link(node, parent, name):
                    self._make(digest, entry, parent, name, made)
            made = made or entry

    def _link(self, node: File, parent: int, name: bytes) -> bool:
        try:
            os.link(blob_name(node), name, src_dir_fd=self._blobs, dst_dir_fd=parent)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.EMLINK}:
                raise
            return False
        return True

    def _make(self, digest: str, entry: Entry, parent: int, name: bytes, made: Entry | None) -> None:
        node = entry.node
        assert isinstance(node, File)  # noqa: S101
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=parent)
        try:
            here = made is not None and self._copy(made, descriptor)
            if not here and not (self._own is not None and self._own.copy(entry, descriptor)):
                self._fetch.file(digest, node.size, descriptor)
            os.fchmod(descriptor, node.mode)
            time = storable(node.mtime)
            os.utime(descriptor, ns=(time, time))
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(name, blob_name(node), src_dir_fd=parent, dst_dir_fd=self._blobs)

    def _copy(self, made: Entry, descriptor: int) -> bool:
        """Copy a file that has been made; False where even its owner may not read it."""
        directory, _, name = made.path.rpartition(b"/")
        try:
            with self._directory(directory) as parent:
                reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        except PermissionError:
            return False
        try:
            while os.copy_file_range(reader, descriptor, _COPIED_AT_ONCE):
                pass
        finally:
            os.close(reader)
        return True


def _lie(entry: Entry, digest: str) -> SpecError:
    return SpecError(f"/{show(entry.path)} is not in artifact {digest} as the layer's manifest says")
