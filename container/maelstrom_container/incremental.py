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
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

import msgspec
from blake3 import blake3

from maelstrom_container.digest_cache import DigestCache, Looked, is_settled
from maelstrom_container.file_batches import looked, records_of, scan, unpacked
from maelstrom_container.glob_files import TAG, VERSION_CONTROL, searches
from maelstrom_container.manifest import Directory, Manifest, Node, clean_path, make_manifest
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


class Search:
    """The search for the files of one layer."""

    def __init__(self, layer: GlobLayer, project_directory: str, start: str, matches: Callable[[str], object]) -> None:
        self._layer = layer
        self._project = project_directory
        self._start = os.fsencode(start + "/" if start else "")
        self._matches = matches
        self._records: dict[bytes, bytes] = {}

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
        pending = [self._start]
        while pending:
            folder = pending.pop()
            try:
                records, latest = scan(os.path.join(os.fsencode(self._project), folder))
            except NotADirectoryError:
                continue
            except OSError as error:
                where = os.path.join(self._project, os.fsdecode(folder))
                raise SpecError(f"failed to search {where}: {error.strerror}") from None
            self._records[folder] = records
            before = known.get(folder)
            same = before is not None and before.records == records
            folders = before.folders if before is not None and same else self._folders_in(folder, records)
            found[folder] = Folder(records if is_settled(latest) else UNSETTLED, folders)
            pending.extend(folders)
        return found

    def found_in(self, folder: bytes) -> Iterator[tuple[str, Looked]]:
        """Yield what was in a directory at the last scan and belongs to the layer: its path there, and what it was."""
        records = self._records[folder]
        if self._is_cache(folder, list(unpacked(records))):
            return
        for name, record in records_of(records):
            path = os.fsdecode(folder + name)
            if self._matches(path):
                yield self.target(path), Looked(os.path.join(self._project, path), *looked(record))

    def target(self, path: str) -> str:
        """Return the path in the layer of a path relative to the project."""
        return container_path(path, self._layer, self._project)

    def build(
        self, folders: Iterable[bytes], digests: DigestCache
    ) -> tuple[ManifestLayer, dict[bytes, dict[bytes, Node]]]:
        """Return a layer of what is in some directories that were scanned, and that by directory. Raises SpecError."""
        builder = ManifestBuilder(digests)
        targets: dict[bytes, list[bytes]] = {}
        for folder in folders:
            mine = targets[folder] = []
            for target, found in self.found_in(folder):
                cleaned = clean_path(os.fsencode(target))
                builder.add_looked(cleaned, found)
                mine.append(cleaned)
        built = builder.build()
        nodes = {entry.path: entry.node for entry in built.manifest.entries}
        return built, {folder: {path: nodes[path] for path in mine} for folder, mine in targets.items()}

    def _folders_in(self, folder: bytes, records: bytes) -> tuple[bytes, ...]:
        entries = list(unpacked(records))
        if self._is_cache(folder, entries):
            return ()
        names = (name for name, mode in entries if stat.S_ISDIR(mode) and os.fsdecode(name) not in VERSION_CONTROL)
        return tuple(folder + name + b"/" for name in names)

    def _is_cache(self, folder: bytes, entries: list[tuple[bytes, int]]) -> bool:
        return folder != self._start and any(name == os.fsencode(TAG) for name, _ in entries)


def snapshot_of(
    base: str, found: dict[bytes, Folder], nodes: dict[bytes, dict[bytes, Node]], entries: int
) -> Snapshot | None:
    """Return what to keep of a search of which a layer was made; None where that is not worth it."""
    if entries < FEWEST:
        return None
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
    built, nodes = search.build(changed, digests)
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
