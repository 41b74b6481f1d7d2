"""A layer of thousands of files, of which few have changed: the layer that there is, and above it what differs.

What a search for files found in each directory is kept as the kernel said it (a scan), beside what became of it in the
layer. A directory of which the kernel says the same again is not looked at any more; of the others, files are compared
one by one. Only what was added or has other contents is put into the layer above. Where something is gone, or has
become something else, the layer is made anew, and the next differences are those from that one.

Decides; reads directories and, by the digest cache, files. Writing layers is the store's work.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import msgspec
from blake3 import blake3

from maelstrom_container.digest_cache import DigestCache, Looked, is_settled
from maelstrom_container.file_batches import in_threads, looked, records_of, scan, unpacked
from maelstrom_container.glob_files import TAG, VERSION_CONTROL, searches
from maelstrom_container.manifest import Directory, File, Manifest, Node, clean_path, make_manifest
from maelstrom_container.manifest_builder import ManifestBuilder, ManifestLayer
from maelstrom_container.prefix import container_path, follows
from maelstrom_container.snapshots import Versioned
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import GlobLayer

VERSION = 1
FEWEST = 1000
"""Layers of fewer entries are made anew: that takes no time to speak of."""
MOST_CHANGED = 0.05
"""What part of a layer's entries the one above it may have; then everything is made anew."""
UNSETTLED = b"?"
"""Equals nothing that a scan says."""
Found = tuple[bytes, bytes, bytes]
"""What belongs to a layer: its path there, its name in its directory, and its record of a scan."""
_AT_ONCE = 16
"""Directories that a thread scans before it takes more."""
_TAG = os.fsencode(TAG)
_DIFFERENCE = b"maelstrom layer above another 1 "


class Folder(msgspec.Struct, frozen=True, array_like=True):
    """What was found in a directory of the project, and what became of it."""

    records: bytes
    """What a scan said; UNSETTLED where it could have changed at once without a scan's seeing it."""
    folders: tuple[bytes, ...]
    """The directories below that are searched, too; paths end with a slash."""
    nodes: bytes = b""
    """A packed dict: what is in the layer, by its path there."""


class Snapshot(Versioned, frozen=True, array_like=True):
    """A layer that was made of a search, and what was found for it."""

    base: str
    """The layer's digest."""
    entries: int
    folders: dict[bytes, Folder]


_encode = msgspec.msgpack.encode


def _unpack_nodes(packed: bytes) -> dict[bytes, Node]:
    return msgspec.msgpack.decode(packed, type=dict[bytes, Node]) if packed else {}


class Known:
    """What is known of the files of a directory from the last time."""

    def __init__(self, folder: Folder | None) -> None:
        there = folder is not None and folder.nodes and folder.records != UNSETTLED
        self._records = dict(records_of(folder.records)) if folder is not None and there else {}
        self._nodes = _unpack_nodes(folder.nodes) if folder is not None and there else {}

    def file(self, target: bytes, name: bytes, record: bytes) -> File | None:
        """Return what a file of the layer is, if it is what it was."""
        if self._records.get(name) != record:
            return None
        node = self._nodes.get(target)
        return node if isinstance(node, File) else None


class Search:
    """The search for the files of one layer."""

    def __init__(self, layer: GlobLayer, project_directory: str, start: str, matches: Callable[[str], object]) -> None:
        self._layer = layer
        self._project = project_directory
        self._start = os.fsencode(start + "/" if start else "")
        self._matches = matches
        self._records: dict[bytes, bytes] = {}
        self._listed: dict[bytes, list[Found]] = {}

    @classmethod
    def of(cls, layer: GlobLayer, project_directory: str) -> Search | None:
        """Return the search; None where it is not of the kind that can be repeated. Raises SpecError for a bad pattern.

        It must begin at one directory, and two files must never become the same one.
        """
        if follows(layer):
            return None
        (start, matches), *others = searches(layer.glob)
        if others or (start and matches(start)) or not os.path.isdir(os.path.join(project_directory, start)):
            return None
        if layer.strip_prefix is not None and not PurePosixPath(start).is_relative_to(layer.strip_prefix):
            return None
        return cls(layer, project_directory, start, matches)

    @property
    def key(self) -> str:
        """A name for it."""
        return blake3(_encode((VERSION, repr(self._layer), self._project))).hexdigest()

    def scan(self, known: dict[bytes, Folder]) -> dict[bytes, Folder]:
        """Return all directories as they are now, without nodes. Raises SpecError where one cannot be read."""
        found: dict[bytes, Folder] = {}
        scanned = self._scan_all(known)  # most are still there, and nobody has to find them first
        pending = [self._start]
        while pending:
            scanned |= self._scan_all([folder for folder in pending if folder not in scanned])
            below: list[bytes] = []
            for folder in pending:
                result = scanned[folder]
                if isinstance(result, NotADirectoryError):
                    continue
                if isinstance(result, OSError):
                    raise SpecError(f"failed to search {self.local(folder)}: {result.strerror}")
                records, latest = result
                self._records[folder] = records
                before = known.get(folder)
                same = before is not None and before.records == records
                folders = before.folders if before is not None and same else self._folders_in(folder, records)
                found[folder] = Folder(records if is_settled(latest) else UNSETTLED, folders)
                below.extend(folders)
            pending = below
        return found

    def _scan_all(self, folders: Iterable[bytes]) -> dict[bytes, tuple[bytes, int] | OSError]:
        results: dict[bytes, tuple[bytes, int] | OSError] = {}

        def scan_some(some: list[bytes]) -> None:
            for folder in some:
                try:
                    results[folder] = scan(os.fsencode(self.local(folder)))
                except OSError as error:
                    results[folder] = error

        every = list(folders)
        in_threads(scan_some, (every[at : at + _AT_ONCE] for at in range(0, len(every), _AT_ONCE)))
        return results

    def found_in(self, folder: bytes) -> list[Found]:
        """Return what was in a directory at the last scan and belongs to the layer."""
        if folder in self._listed:
            return self._listed.pop(folder)
        records = list(records_of(self._records[folder]))
        if self._is_cache(folder, (name for name, _ in records)):
            return []
        found = []
        for name, record in records:
            path = os.fsdecode(folder + name)
            if self._matches(path):
                found.append((clean_path(os.fsencode(self.target(path))), name, record))
        return found

    def is_large(self, folders: Iterable[bytes]) -> bool:
        """Tell whether so much was found in some directories that it is worth keeping."""
        count = 0
        for folder in folders:
            self._listed[folder] = self.found_in(folder)
            count += len(self._listed[folder])
            if count >= FEWEST:
                return True
        return False

    def looked(self, folder: bytes, name: bytes, record: bytes) -> Looked:
        """Return the same of one of them, as others want it."""
        return Looked(self.local(folder + name), *looked(record))

    def local(self, path: bytes) -> str:
        """Return where on this machine a path relative to the project is."""
        return os.path.join(self._project, os.fsdecode(path))

    def target(self, path: str) -> str:
        """Return the path in the layer of a path relative to the project."""
        return container_path(path, self._layer, self._project)

    def build(
        self, folders: Iterable[bytes], digests: DigestCache, before: dict[bytes, Folder]
    ) -> tuple[ManifestLayer, dict[bytes, dict[bytes, Node]]]:
        """Return a layer of what is in some directories, and that by directory. Raises SpecError.

        Files that are as they were in `before` are not read, and have no source.
        """
        builder = ManifestBuilder(digests)
        targets: dict[bytes, list[bytes]] = {}
        for folder in folders:
            found = self.found_in(folder)
            targets[folder] = [target for target, _, _ in found]
            known = Known(before.get(folder))
            for target, name, record in found:
                node = known.file(target, name, record)
                if node is None:
                    builder.add_looked(target, self.looked(folder, name, record))
                else:
                    builder.add_known(target, node)
        built = builder.build()
        nodes = {entry.path: entry.node for entry in built.manifest.entries}
        return built, {folder: {path: nodes[path] for path in mine} for folder, mine in targets.items()}

    def _folders_in(self, folder: bytes, records: bytes) -> tuple[bytes, ...]:
        entries = list(unpacked(records))
        if self._is_cache(folder, (name for name, _ in entries)):
            return ()
        names = (name for name, mode in entries if stat.S_ISDIR(mode) and os.fsdecode(name) not in VERSION_CONTROL)
        return tuple(folder + name + b"/" for name in names)

    def _is_cache(self, folder: bytes, names: Iterable[bytes]) -> bool:
        return folder != self._start and _TAG in names


def snapshot_of(base: str, found: dict[bytes, Folder], nodes: dict[bytes, dict[bytes, Node]], entries: int) -> Snapshot:
    """Return what to keep of a search of which a layer was made."""
    folders = {path: msgspec.structs.replace(folder, nodes=_encode(nodes[path])) for path, folder in found.items()}
    return Snapshot(VERSION, base, entries, folders)


def difference(
    search: Search, snapshot: Snapshot, found: dict[bytes, Folder], digests: DigestCache
) -> ManifestLayer | None:
    """Return the layer to put above the one of a snapshot, perhaps an empty one; None where it must be made anew."""
    before = snapshot.folders
    if any(_unpack_nodes(before[path].nodes) for path in before.keys() - found.keys()):
        return None
    changed = [
        path
        for path, now in found.items()
        if path not in before or now.records == UNSETTLED or before[path].records != now.records
    ]
    built, nodes = search.build(changed, digests, before)
    entries: dict[bytes, Node] = {}
    for path in changed:
        added = differing(_unpack_nodes(before[path].nodes) if path in before else {}, nodes[path])
        if added is None:
            return None
        if added:
            entries |= added | _parents(search, path, lambda folder: _nodes_of(folder, nodes, before))
    if len(entries) > snapshot.entries * MOST_CHANGED:
        return None
    sources = {path: source for path, source in built.sources.items() if path in entries}
    return ManifestLayer(make_manifest(entries), sources)


def differing(before: dict[bytes, Node], now: dict[bytes, Node]) -> dict[bytes, Node] | None:
    """Return what is new or different now; None where something is gone, or has become something else."""
    if before.keys() - now.keys():
        return None
    if any(type(before[path]) is not type(node) for path, node in now.items() if path in before):
        return None
    return {path: node for path, node in now.items() if before.get(path) != node}


def difference_digest(base: str, above: Manifest) -> str:
    """Return the name of a layer that is to be put above another."""
    return blake3(_DIFFERENCE + base.encode() + above.encode()).hexdigest()


def _nodes_of(folder: bytes, fresh: dict[bytes, dict[bytes, Node]], before: dict[bytes, Folder]) -> dict[bytes, Node]:
    if folder in fresh:
        return fresh[folder]
    return _unpack_nodes(before[folder].nodes) if folder in before else {}


def _parents(search: Search, folder: bytes, nodes_of: Callable[[bytes], dict[bytes, Node]]) -> dict[bytes, Node]:
    """Return the directories of the layer, with their modes, in which a directory's entries are."""
    parents: dict[bytes, Node] = {}
    path = folder.rstrip(b"/")
    while path:
        above, slash, _ = path.rpartition(b"/")
        target = clean_path(os.fsencode(search.target(os.fsdecode(path))))
        node = nodes_of(above + slash).get(target)
        if isinstance(node, Directory):
            parents[target] = node
        path = above
    return parents
