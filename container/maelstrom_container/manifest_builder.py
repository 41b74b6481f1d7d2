"""Collecting the entries of a layer from local files, and where their contents are.

Reads files only to know their digests; copying is the store's work. Imports the manifest and the digest cache.
"""

from __future__ import annotations

import os
import stat

import msgspec

from maelstrom_container.digest_cache import DigestCache, Signature, signature
from maelstrom_container.manifest import Directory, File, Manifest, Node, Symlink, clean_path, make_manifest, show
from maelstrom_core.errors import InfrastructureError, SpecError


class Source(msgspec.Struct, frozen=True):
    """A local file that has the contents of an entry, as long as its signature stays the same."""

    path: str
    signature: Signature


class SourceChangedError(InfrastructureError):
    """A file was changed after it had been hashed: the layer has to be built anew."""


class ManifestLayer(msgspec.Struct, frozen=True):
    """A layer ready to be written: its manifest, and for each file that is not empty where its contents are."""

    manifest: Manifest
    sources: dict[bytes, Source]


class TarArtifact(msgspec.Struct, frozen=True):
    """A layer that is a tar archive; the digest is that of the archive as it is."""

    source: Source
    digest: str


BuiltLayer = ManifestLayer | TarArtifact


class ManifestBuilder:
    """Entries so far. The same entry may be added twice; two different ones at one path are an error."""

    def __init__(self, digests: DigestCache) -> None:
        self._digests = digests
        self._nodes: dict[bytes, Node] = {}
        self._sources: dict[bytes, Source] = {}

    def add(self, path: str, node: Node) -> None:
        """Add a node. Raises SpecError for a path that cannot be, or is taken by something else."""
        cleaned = clean_path(os.fsencode(path))
        there = self._nodes.get(cleaned)
        if there is not None and there != node and not (isinstance(there, Directory) and isinstance(node, Directory)):
            raise SpecError(f"/{show(cleaned)} appears more than once in the layer, and not as the same")
        self._nodes[cleaned] = node

    def add_local(self, path: str, local: str, *, follow: bool) -> None:
        """Add a file, a symlink (or what it leads to) or a directory, without what is in it, from this machine.

        Raises SpecError if it is missing, unreadable or of any other type.
        """
        try:
            status = os.stat(local, follow_symlinks=follow)
            if stat.S_ISDIR(status.st_mode):
                self.add(path, Directory(stat.S_IMODE(status.st_mode) & 0o1777))
            elif stat.S_ISLNK(status.st_mode):
                self.add(path, Symlink(os.readlink(os.fsencode(local))))
            elif stat.S_ISREG(status.st_mode):
                self._add_file(path, local, status)
            else:
                raise SpecError(f"{local} is no file, directory or symlink: it cannot be part of a layer")
        except OSError as error:
            raise SpecError(f"failed to add {local} to a layer: {error.strerror}") from None

    def build(self) -> ManifestLayer:
        """Return the layer. Raises SpecError if its entries contradict each other."""
        return ManifestLayer(make_manifest(self._nodes), self._sources)

    def _add_file(self, path: str, local: str, status: os.stat_result) -> None:
        # the status that comes back is that of what was hashed, even if the file was replaced since
        digest, status = self._digests.digest_of(local, status)
        self.add(path, File(stat.S_IMODE(status.st_mode) & 0o777, status.st_mtime_ns, status.st_size, digest))
        if status.st_size:
            self._sources[clean_path(os.fsencode(path))] = Source(local, signature(status))
