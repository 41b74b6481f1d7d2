"""Files of the store that layers share by hard links: one for each contents, mode and modification time.

So editing one file of a thousand copies one file. A blob is a copy of the user's file (a reflink where the file
system has them), never a link to it. A blob that no layer links to is swept by the cache.
Imports the tree writer.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from maelstrom_container.file_batches import CopyError, FileCopy, copy_files, in_threads, signature
from maelstrom_container.manifest import File
from maelstrom_container.manifest_builder import Source, SourceChangedError
from maelstrom_container.tree_writer import TreeWriter

_AT_ONCE = 128


class BlobStore:
    """Gives files to layers that are being written; the directory is one of the cache."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reflinks = True

    def put_all(self, writer: TreeWriter, files: list[tuple[bytes, File, Source]]) -> None:
        """Make files, in several threads: each from its blob, which is made if missing. None of them may be there yet.

        Raises SourceChangedError if a source is not what the manifest says any more.
        """
        by_directory: dict[bytes, list[tuple[bytes, File, Source]]] = {}
        for path, node, source in files:
            directory, _, name = path.rpartition(b"/")
            by_directory.setdefault(directory, []).append((name, node, source))

        def batches() -> Iterator[tuple[bytes, list[tuple[bytes, File, Source]]]]:
            for directory, members in by_directory.items():
                for start in range(0, len(members), _AT_ONCE):
                    yield directory, members[start : start + _AT_ONCE]

        mutex = threading.Lock()

        def copy(batch: tuple[bytes, list[tuple[bytes, File, Source]]]) -> None:
            with mutex:
                directory = writer.open_directory(batch[0])
            self._copy(blobs, directory, batch[1])

        blobs = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            in_threads(copy, batches())
        finally:
            os.close(blobs)

    def _copy(self, blobs: int, directory: int, files: list[tuple[bytes, File, Source]]) -> None:
        copies = [
            FileCopy(os.fsencode(source.path), source.signature, name, blob_name(node).encode(), node.mode, node.mtime)
            for name, node, source in files
        ]
        try:
            self._reflinks = copy_files(copies, directory, blobs, reflinks=self._reflinks)
        except CopyError as error:
            raise _changed(files[error.index][2]) if error.of_source else error.error from None
        finally:
            os.close(directory)


def blob_name(node: File) -> str:
    """Return the name of the blob that a file is linked to."""
    return blake3(f"{node.digest} {node.mode} {node.mtime}".encode()).hexdigest()


@contextlib.contextmanager
def opened(source: Source) -> Iterator[int]:
    """Open a source for reading. Raises SourceChangedError if it is, at the start or the end, not what it was."""
    try:
        reader = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise _changed(source) from None
    try:
        if signature(os.fstat(reader)) != source.signature:
            raise _changed(source)
        yield reader
        if signature(os.fstat(reader)) != source.signature:
            raise _changed(source)
    finally:
        os.close(reader)


def _changed(source: Source) -> SourceChangedError:
    return SourceChangedError(
        f"failed to copy {source.path}: it changed while a layer was made of it", hint="wait until it is complete"
    )
