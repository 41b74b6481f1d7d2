"""From a directory of this machine to a layer that can travel: a manifest, and what it names.

    described = Describer(cache_root / "trees").describe(source)
    described.artifact, described.content(digest)

What was found in each directory is kept, as the kernel said it, beside what became of it (a snapshot). A tree of which
the kernel says the same again costs a look at its directories; of another one files are read that are not the same any
more, each once: its own digest and its pack's come of one reading, in several threads.
Decides and reads; changes nothing but snapshots.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
from blake3 import blake3

from maelstrom_container.build import EMPTY_DIGEST
from maelstrom_container.file_batches import in_threads, records_of
from maelstrom_container.manifest import Directory, File, HardLink, Node, Symlink, Whiteout, clean_path, make_manifest
from maelstrom_container.manifest_builder import SourceChangedError
from maelstrom_container.snapshots import Snapshots, Versioned
from maelstrom_container.tree_writer import OPAQUE_ATTRIBUTE
from maelstrom_container.trees.contents import Content, digest_of, read_pack
from maelstrom_container.trees.look import Folder, Found, Look, Source, found_in, look
from maelstrom_container.trees.packing import ALONE, pack, pack_size
from maelstrom_container.trees.tree import Tree, decode, encode, make_tree
from maelstrom_core.errors import InfrastructureError, SpecError
from maelstrom_core.messages import Artifact

VERSION = 1
NOTES = 20
"""Paths that are named of those that could not be read."""
_ATTEMPTS = 3


class StoppedError(InfrastructureError):
    """A description was stopped, as nobody wants it any more."""


class Notes(msgspec.Struct, frozen=True, array_like=True):
    """What is in the directory and not, or not as it is, in the layer; some of the paths, and how many."""

    unreadable: tuple[str, ...] = ()
    unreadable_count: int = 0
    skipped: tuple[str, ...] = ()
    """Sockets, pipes and devices."""
    skipped_count: int = 0


class _Snapshot(Versioned, frozen=True, array_like=True):
    folders: dict[bytes, Folder]
    notes: Notes
    data: bytes
    """The manifest artifact."""


class Described:
    """A layer that can travel."""

    def __init__(self, source: Source, data: bytes, notes: Notes) -> None:
        self.artifact = Artifact(blake3(data).hexdigest(), manifest=True)
        self.notes = notes
        self._source = source
        self._data = data
        self._mutex = threading.Lock()
        self._tree: Tree | None = None
        self._where: dict[str, tuple[bytes, ...]] = {}

    @property
    def tree(self) -> Tree:
        """The layer as data."""
        with self._mutex:
            if self._tree is None:
                self._tree = decode(self._data)
                self._where = {each.digest: tuple(entry.path for entry in each.files) for each in self._tree.packs}
            return self._tree

    @property
    def named(self) -> tuple[str, ...]:
        """The artifacts that the manifest names."""
        return self.tree.named

    def content(self, digest: str) -> Content:
        """Return the manifest, or one of what it names: bytes, or the path of a file.

        Raises KeyError for any other digest, SourceChangedError for what is not any more what it was.
        """
        if digest == self.artifact.digest:
            return self._data
        tree = self.tree
        if digest not in self._where:
            for alone, entries in tree.alone:
                if alone == digest:
                    return Path(os.fsdecode(self._source.local(entries[0].path)))
            raise KeyError(digest)
        paths = [self._source.local(path) for path in self._where[digest]]
        data = b"".join(each.contents for each in read_pack(paths))
        if blake3(data).hexdigest() != digest:
            raise SourceChangedError(
                f"failed to send files of {os.fsdecode(self._source.root)}: they changed after they were looked at",
                hint="wait until they are complete, and run it again",
            )
        return data


class Describer:
    """Describes trees; snapshots of them are in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._snapshots = Snapshots(directory, _Snapshot, VERSION)
        self._stop = threading.Event()

    def stop(self) -> None:
        """Have what is described now, in whatever thread, end soon, by a StoppedError."""
        self._stop.set()

    def describe(self, source: Source) -> Described:
        """Return the layer that a directory makes.

        Files and directories that the caller may not read are there, empty, and without permissions; the notes say so.
        Raises SpecError for what cannot be described, SourceChangedError if it changes all the time, StoppedError.
        """
        key = blake3(
            msgspec.msgpack.encode((source.root, source.target, sorted(source.hidden), source.fixed))
        ).hexdigest()
        before = self._snapshots.load(key)
        if before is not None and source.fixed:
            return Described(source, before.data, before.notes)
        for attempt in range(_ATTEMPTS):
            seen = look(source, before.folders if before is not None else {})
            if before is not None and _same(seen.folders, before.folders):
                return Described(source, before.data, before.notes)
            try:
                data, notes = _Description(source, seen, before, self._stop).make()
            except SourceChangedError:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                self._snapshots.save(key, _Snapshot(VERSION, seen.folders, notes, data))
                return Described(source, data, notes)
        raise AssertionError


def _same(now: dict[bytes, Folder], before: dict[bytes, Folder]) -> bool:
    return now == before and all(folder.settled for folder in now.values())


class _Description:
    """One tree that is being described; `before` is what is known of it from the last time."""

    def __init__(self, source: Source, seen: Look, before: _Snapshot | None, stop: threading.Event) -> None:
        self._source = source
        self._seen = seen
        self._stop = stop
        self._nodes: dict[bytes, Node] = {}
        self._files: dict[bytes, Found] = {}
        self._digests: dict[bytes, str] = {}
        """Of files that are known, or have been read."""
        self._before = before
        self._known: dict[bytes, Node] = {}
        self._packs: dict[tuple[str, ...], str] = {}
        self._unreadable = [os.fsdecode(path) for path in seen.unreadable]
        self._skipped: list[str] = []
        if before is not None:
            tree = decode(before.data)
            self._known = {entry.path: entry.node for entry in tree.manifest.entries}
            self._packs = {_digests_of(each.files): each.digest for each in tree.packs}

    def make(self) -> tuple[bytes, Notes]:
        """Return the manifest artifact, and what is to be said about it."""
        self._root()
        for folder, now in self._seen.folders.items():
            self._check()
            then = self._before.folders.get(folder) if self._before is not None else None
            same = dict(records_of(then.records)) if then is not None and then.settled else {}
            for found in found_in(self._source, folder, now.records):
                self._take(found, is_same=same.get(found.path.rpartition(b"/")[2]) == found.record)
        self._hard_links()
        paths = sorted(self._files)
        sizes = [(path, self._files[path].own.size) for path in paths if self._files[path].own.size]
        size = pack_size(sum(length for _, length in sizes))
        packs, alone = pack(sizes, size)
        digests = self._read(packs, alone)
        for path in paths:
            self._nodes[path] = self._file(self._files[path], self._digests[path])
        counted = [(digest, len(files)) for digest, files in zip(digests, packs, strict=True)]
        packed = size // ALONE
        tree = make_tree(make_manifest(self._nodes), counted, packed)
        return encode(tree, packed), self._notes()

    def _check(self) -> None:
        if self._stop.is_set():
            raise StoppedError(f"failed to describe {os.fsdecode(self._source.root)}: nobody wants it any more")

    def _notes(self) -> Notes:
        unreadable, skipped = sorted(self._unreadable), sorted(self._skipped)
        return Notes(tuple(unreadable[:NOTES]), len(unreadable), tuple(skipped[:NOTES]), len(skipped))

    def _root(self) -> None:
        try:
            status = os.stat(self._source.root)
        except OSError as error:
            raise SpecError(f"failed to read {os.fsdecode(self._source.root)}: {error.strerror}") from None
        if self._source.target:
            self._nodes[self._source.target] = self._directory(self._source.root, status.st_mode)
        elif self._source.fixed and status.st_mode & 0o777 != 0o755:
            self._nodes[b""] = self._directory(self._source.root, status.st_mode)

    def _directory(self, local: bytes, mode: int) -> Directory:
        opaque = False
        if self._source.fixed:
            try:
                opaque = os.getxattr(local, OPAQUE_ATTRIBUTE) == b"y"
            except OSError:
                opaque = False
        return Directory(stat.S_IMODE(mode) & 0o1777, opaque)

    def _take(self, found: Found, *, is_same: bool) -> None:
        """Take something into the layer; its node of last time counts if it `is_same`."""
        path, mode = found.path, found.mode
        if stat.S_ISREG(mode):
            self._take_file(found, is_same=is_same)
            return
        known = self._known.get(path) if is_same else None
        if known is not None:
            self._nodes[path] = known
            return
        clean_path(path)
        local = self._source.local(path)
        if stat.S_ISDIR(mode):
            self._nodes[path] = self._directory(local, mode)
        elif stat.S_ISLNK(mode):
            try:
                self._nodes[path] = Symlink(os.readlink(local))
            except OSError:
                raise _changed(local) from None
        elif self._source.fixed and stat.S_ISCHR(mode):
            self._nodes[path] = Whiteout()
        else:
            self._skipped.append(os.fsdecode(local))

    def _take_file(self, found: Found, *, is_same: bool) -> None:
        local = self._source.local(found.path)
        if not found.own.size:
            self._digests[found.path] = EMPTY_DIGEST
            self._files[found.path] = found
        elif found.mode & 0o444 != 0o444 and not os.access(local, os.R_OK, effective_ids=True):
            self._unreadable.append(os.fsdecode(local))
            self._nodes[found.path] = File(0, found.own.mtime, 0, EMPTY_DIGEST)
        else:
            known = self._known.get(found.path) if is_same else None
            if isinstance(known, File) and known.size:
                self._digests[found.path] = known.digest
            elif known is None:
                clean_path(found.path)
            self._files[found.path] = found

    @staticmethod
    def _file(found: Found, digest: str) -> File:
        return File(found.mode & 0o777, found.own.mtime, found.own.size, digest)

    def _hard_links(self) -> None:
        """Make further names of a file what they are."""
        first: dict[tuple[int, int], bytes] = {}
        for path in sorted(self._files):
            own = self._files[path].own
            target = first.setdefault((own.device, own.inode), path)
            if target != path:
                self._nodes[path] = HardLink(target)
                del self._files[path]

    def _read(self, packs: list[list[bytes]], alone: list[bytes]) -> list[str]:
        """Have the digests of all files; return those of packs."""
        digests = [""] * len(packs)

        def read(work: int | bytes) -> None:
            self._check()
            if isinstance(work, bytes):
                self._digests[work] = digest_of(self._source.local(work), self._files[work].own)
                return
            hasher = blake3()
            paths = packs[work]
            expected = [self._files[path].own for path in paths]
            for path, each in zip(paths, read_pack([*map(self._source.local, paths)], expected), strict=True):
                self._digests[path] = blake3(each.contents).hexdigest()
                hasher.update(each.contents)
            digests[work] = hasher.hexdigest()

        def works() -> Iterator[int | bytes]:
            yield from (path for path in alone if path not in self._digests)
            for index, paths in enumerate(packs):
                name = tuple(self._digests.get(path, "") for path in paths)
                digests[index] = self._packs.get(name, "")
                if not digests[index]:
                    yield index

        in_threads(read, works())
        return digests


def _digests_of(files: tuple[msgspec.Struct, ...]) -> tuple[str, ...]:
    return tuple(entry.node.digest for entry in files)  # type: ignore[attr-defined]  # entries, of files


def _changed(local: bytes) -> SourceChangedError:
    return SourceChangedError(f"failed to read {os.fsdecode(local)}: it changed meanwhile", hint="run it again")
