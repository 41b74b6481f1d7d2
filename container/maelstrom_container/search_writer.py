"""The layer of a search for thousands of files, made in one go: each file is read once, and written from memory.

What a layer is called is known only when all of its files have been read. So it is written before it has a name, and
its files are hashed in between. None of them becomes a blob: the next layer of the same search links to this one what
has stayed the same. Imports the builder, the search and the tree writer.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterable, Iterator

import msgspec
from blake3 import blake3

from maelstrom_container.blobs import BlobStore
from maelstrom_container.digest_cache import DigestCache
from maelstrom_container.file_batches import READ_BUFFER, RECORD, carry_files, in_threads
from maelstrom_container.incremental import Folder, Found, Known, Search
from maelstrom_container.layer_writer import write_manifest
from maelstrom_container.manifest import File, Manifest, Node
from maelstrom_container.manifest_builder import ManifestBuilder
from maelstrom_container.native import lib
from maelstrom_container.tree_writer import TreeWriter

LARGEST = 1 << 20
"""Files of more bytes are copied by the kernel, which may be able to share their contents."""
_AT_ONCE = 256
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Written(msgspec.Struct, frozen=True):
    """A layer that was written: what it holds, that by directory of the project, and its size in bytes."""

    manifest: Manifest
    nodes: dict[bytes, dict[bytes, Node]]
    size: int


class Below(msgspec.Struct, frozen=True):
    """The layer that was made of the search before, as long as it is in use, and what was found for it."""

    path: str
    folders: dict[bytes, Folder]


class _Batch(msgspec.Struct, frozen=True):
    """Files of one directory that go to one directory of the layer, by the same names."""

    folder: bytes
    directory: bytes
    targets: list[bytes]
    records: list[bytes]
    known: list[File | None]


class SearchWriter:
    """Writes the layer of one search."""

    def __init__(self, search: Search, below: Below | None, digests: DigestCache, blobs: BlobStore) -> None:
        self._search = search
        self._below = below
        self._blobs = blobs
        self._builder = ManifestBuilder(digests)
        self._mutex = threading.Lock()
        self._made: dict[bytes, File] = {}
        self._targets: dict[bytes, list[bytes]] = {}
        self._reflinks = True

    def write(self, folders: Iterable[bytes], root: int) -> Written:
        """Write what was found in some directories into an empty one, open as `root`.

        Raises SpecError, SourceChangedError and OSError.
        """
        with TreeWriter(root) as writer:
            in_threads(lambda batch: self._carry(batch, writer), self._batches(folders))
            for path, node in self._made.items():
                self._builder.add_known(path, node)
            built = self._builder.build()
            size = write_manifest(built.manifest, built.sources, writer, self._blobs, self._made)
        nodes = {entry.path: entry.node for entry in built.manifest.entries}
        by_folder = {folder: {path: nodes[path] for path in targets} for folder, targets in self._targets.items()}
        return Written(built.manifest, by_folder, size)

    def _batches(self, folders: Iterable[bytes]) -> Iterator[_Batch]:
        for folder in folders:
            found = self._search.found_in(folder)
            self._targets[folder] = [target for target, _, _ in found]
            small: dict[bytes, list[tuple[int, Found]]] = {}
            for each in found:
                target, name, record = each
                mode, _, size, *_ = RECORD.unpack(record)
                directory, _, last = target.rpartition(b"/")
                if stat.S_ISREG(mode) and 0 < size < LARGEST and last == name:
                    small.setdefault(directory, []).append((size, each))
                else:
                    with self._mutex:
                        self._builder.add_looked(target, self._search.looked(folder, name, record))
            for directory, files in small.items():
                yield from self._batches_of(folder, directory, files)

    def _batches_of(self, folder: bytes, directory: bytes, files: list[tuple[int, Found]]) -> Iterator[_Batch]:
        known = Known(self._below.folders.get(folder) if self._below is not None else None)
        for some in _portions(files):
            yield _Batch(
                folder,
                directory,
                [target for _, (target, _, _) in some],
                [record + name for _, (_, name, record) in some],
                [known.file(*found) for _, found in some],
            )

    @contextlib.contextmanager
    def _opened(self, batch: _Batch, writer: TreeWriter) -> Iterator[tuple[int, int, int]]:
        """Open the directory that files are in, the one that they go to, and that of the layer below, or -1."""
        with contextlib.ExitStack() as stack:
            with self._mutex:
                to = writer.open_directory(batch.directory)
            stack.callback(os.close, to)
            places = [-1, to, -1]
            below = None if self._below is None else os.path.join(os.fsencode(self._below.path), batch.directory)
            for at, path in ((0, self._search.local(batch.folder)), (2, below)):
                with contextlib.suppress(OSError):
                    if path is not None:
                        places[at] = os.open(path, _OPEN)
                        stack.callback(os.close, places[at])
            yield places[0], places[1], places[2]

    def _carry(self, batch: _Batch, writer: TreeWriter) -> None:
        with self._opened(batch, writer) as places:
            same = bytes(node is not None and places[2] >= 0 for node in batch.known)
            carried = carry_files(places, batch.records, same, reflinks=self._reflinks)
        self._reflinks = carried.reflinks
        left = []
        for target, record, node, at in zip(batch.targets, batch.records, batch.known, carried.at, strict=True):
            if at == lib.FILE_LEFT:
                left.append((target, record[RECORD.size :], record[: RECORD.size]))
            elif at == lib.FILE_LINKED and node is not None:
                self._made[target] = node
            else:
                mode, _, size, mtime, *_ = RECORD.unpack_from(record)
                digest = blake3(carried.contents[at : at + size]).hexdigest()
                self._made[target] = File(mode & 0o777, mtime, size, digest)
        self._leave(batch.folder, left)

    def _leave(self, folder: bytes, files: list[Found]) -> None:
        """Have files made in the ordinary way, which says what is wrong with them."""
        with self._mutex:
            for target, name, record in files:
                self._builder.add_looked(target, self._search.looked(folder, name, record))


def _portions(files: list[tuple[int, Found]]) -> Iterator[list[tuple[int, Found]]]:
    """Yield as many files at a time as there is room for in the buffer."""
    portion: list[tuple[int, Found]] = []
    room = READ_BUFFER
    for each in files:
        if portion and (len(portion) == _AT_ONCE or room <= each[0]):
            yield portion
            portion, room = [], READ_BUFFER
        portion.append(each)
        room -= each[0]
    if portion:
        yield portion
