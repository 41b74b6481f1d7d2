"""Files of the store that layers share by hard links: one for each contents, mode and modification time.

So editing one file of a thousand copies one file. A blob is a copy of the user's file (a reflink where the file
system has them), never a link to it. A blob that no layer links to is swept by the cache.
Imports the tree writer.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from maelstrom_container.digest_cache import signature
from maelstrom_container.manifest import File
from maelstrom_container.manifest_builder import Source, SourceChangedError
from maelstrom_container.tree_writer import TreeWriter

_FICLONE = 0x40049409
_CHUNK = 1 << 20
_COPY_AT_ONCE = 1 << 30


class BlobStore:
    """Gives files to layers that are being written; the directory is one of the cache."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reflinks = True

    def put(self, writer: TreeWriter, path: bytes, node: File, source: Source) -> None:
        """Make the file at `path`: from its blob, which is made if missing.

        Raises SourceChangedError if the source is not what the manifest says any more.
        """
        blob = f"{self._directory}/{_key(node)}"
        try:
            writer.adopt(path, blob)
        except FileNotFoundError:
            # Into the layer first: a blob with one name only is one that nobody needs. If another was quicker to make
            # the blob, this layer keeps a copy of its own.
            writer.fill_file(path, node.mode, node.mtime, lambda target: self._copy(source, target), share=blob)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            # so many links that the file system allows no more
            writer.fill_file(path, node.mode, node.mtime, lambda target: self._copy(source, target))

    def _copy(self, source: Source, target: int) -> None:
        with opened(source) as reader:
            if not self._clone(reader, target):
                _copy_range(reader, target)

    def _clone(self, reader: int, writer: int) -> bool:
        if not self._reflinks:
            return False
        try:
            fcntl.ioctl(writer, _FICLONE, reader)
        except OSError as error:
            # another file system (EXDEV) says nothing about the next file
            self._reflinks = error.errno == errno.EXDEV
            return False
        return True


def _key(node: File) -> str:
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


def _copy_range(reader: int, writer: int) -> None:
    with contextlib.suppress(OSError):
        while os.copy_file_range(reader, writer, _COPY_AT_ONCE):
            pass
    # both descriptors stand where it stopped: at the end, or at what the kernel could not do
    while chunk := os.read(reader, _CHUNK):
        view = memoryview(chunk)
        while view:
            view = view[os.write(writer, view) :]


def _changed(source: Source) -> SourceChangedError:
    return SourceChangedError(
        f"failed to copy {source.path}: it changed while a layer was made of it", hint="wait until it is complete"
    )
