"""Writing a layer that was built into a directory: for layers that the store has not got yet."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from maelstrom_container.blobs import BlobStore, opened
from maelstrom_container.manifest import Directory, File, HardLink, Manifest, Symlink, Whiteout
from maelstrom_container.manifest_builder import BuiltLayer, Source, TarArtifact
from maelstrom_container.tree_writer import TreeWriter
from maelstrom_core.errors import SpecError

_DIRECTORY_SIZE = 4096


def write_layer(built: BuiltLayer, blobs: Path, root: int) -> int:
    """Write a layer into a directory, open as `root`; returns its size in bytes.

    `blobs` is the directory of files that layers share. Raises SpecError for an archive that cannot be unpacked,
    SourceChangedError for a file that is not any more what it was when the layer was built, and OSError.
    """
    if isinstance(built, TarArtifact):
        return _unpack(built, root)
    with TreeWriter(root) as writer:
        return write_manifest(built.manifest, built.sources, writer, BlobStore(blobs))


def write_manifest(
    manifest: Manifest,
    sources: dict[bytes, Source],
    writer: TreeWriter,
    blobs: BlobStore,
    made: Container[bytes] = (),
) -> int:
    """Write a layer's tree; returns its size in bytes, of which a part may be shared with other layers.

    Files that are `made` are there already.
    """
    size = 0
    files: list[tuple[bytes, File, Source]] = []
    links: list[tuple[bytes, bytes]] = []
    for entry in manifest.entries:
        match entry.node:
            case Directory(mode, opaque):
                writer.directory(entry.path, mode, opaque=opaque)
                size += _DIRECTORY_SIZE
            case File() as node if node.size:
                size += node.size
                if entry.path not in made:
                    files.append((entry.path, node, sources[entry.path]))
            case File(mode, mtime):
                writer.file(entry.path, mode, mtime, ())
            case Symlink(target):
                writer.symlink(entry.path, target)
            case HardLink(target):
                links.append((entry.path, target))
            case Whiteout():
                writer.whiteout(entry.path)
    blobs.put_all(writer, files)
    for path, target in links:
        writer.hard_link(path, target)
    writer.finish()
    return size


def _unpack(artifact: TarArtifact, root: int) -> int:
    from maelstrom_container.extract import extract_tar  # with it come tarfile and three compressors

    try:
        with opened(artifact.source) as descriptor, open(descriptor, "rb", closefd=False) as file:
            return extract_tar(file, root)
    except SpecError as error:
        raise SpecError(f"failed to unpack {artifact.source.path}: {error.message}", hint=error.hint) from None
