"""Collecting the entries of a layer from local files, and where their contents are.

Reads files only to know their digests; copying is the store's work. Imports the manifest and the digest cache.
"""

from __future__ import annotations

import os
import stat

import msgspec

from maelstrom_container.digest_cache import DigestCache, Hashed, Looked
from maelstrom_container.file_batches import Signature, signature
from maelstrom_container.manifest import Directory, File, Manifest, Node, Symlink, clean_path, make_manifest, show
from maelstrom_core.errors import InfrastructureError, SpecError

_LATEST = 2**63 - 1
"""Nanoseconds: what a manifest can hold, the year 2262."""


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
        self._pending: dict[bytes, Looked] = {}
        """Files whose digests are not known yet: they are looked for many at a time."""

    def add(self, path: str, node: Node) -> None:
        """Add a node. Raises SpecError for a path that cannot be, or is taken by something else."""
        self._add(clean_path(os.fsencode(path)), node)

    def _add(self, cleaned: bytes, node: Node) -> None:
        if cleaned in self._pending:
            self._hash([cleaned])
        there = self._nodes.get(cleaned)
        if there is not None and there != node and not (isinstance(there, Directory) and isinstance(node, Directory)):
            raise SpecError(f"/{show(cleaned)} appears more than once in the layer, and not as the same")
        self._nodes[cleaned] = node

    def add_known(self, cleaned: bytes, node: File) -> None:
        """Add a file, at a clean path, whose contents are known to somebody else."""
        self._add(cleaned, node)

    def add_local(self, path: str, local: str, *, follow: bool) -> None:
        """Add a file, a symlink (or what it leads to) or a directory, without what is in it, from this machine.

        Raises SpecError if it is missing, unreadable or of any other type.
        """
        try:
            status = os.stat(local, follow_symlinks=follow)
        except OSError as error:
            raise _not_added(local, error) from None
        self.add_looked(clean_path(os.fsencode(path)), Looked(local, status.st_mode, signature(status)))

    def add_looked(self, cleaned: bytes, found: Looked) -> None:
        """Add the same, at a clean path, as somebody has just seen it: no other symlinks followed than were then."""
        if stat.S_ISREG(found.mode):
            self._add_file(cleaned, found)
        elif stat.S_ISDIR(found.mode):
            self._add(cleaned, Directory(stat.S_IMODE(found.mode) & 0o1777))
        elif stat.S_ISLNK(found.mode):
            try:
                self._add(cleaned, Symlink(os.readlink(os.fsencode(found.path))))
            except OSError as error:
                raise _not_added(found.path, error) from None
        else:
            raise SpecError(f"{found.path} is no file, directory or symlink: it cannot be part of a layer")

    def build(self) -> ManifestLayer:
        """Return the layer. Raises SpecError if its entries contradict each other."""
        self._hash(list(self._pending))
        return ManifestLayer(make_manifest(self._nodes), self._sources)

    def _add_file(self, cleaned: bytes, found: Looked) -> None:
        if cleaned in self._nodes or cleaned in self._pending:
            (hashed,) = self._digests.digests_of([found])
            self._add_hashed(cleaned, found.path, hashed)
        else:
            self._pending[cleaned] = found

    def _hash(self, paths: list[bytes]) -> None:
        files = [self._pending.pop(path) for path in paths]
        for path, file, hashed in zip(paths, files, self._digests.digests_of(files), strict=True):
            self._add_hashed(path, file.path, hashed)

    def _add_hashed(self, cleaned: bytes, local: str, hashed: Hashed) -> None:
        # what the file was when it was hashed counts, even if it was replaced since
        own = hashed.signature
        self._add(cleaned, File(stat.S_IMODE(hashed.mode) & 0o777, min(own.mtime, _LATEST), own.size, hashed.digest))
        if own.size:
            self._sources[cleaned] = Source(local, own)


def _not_added(local: str, error: OSError) -> SpecError:
    return SpecError(f"failed to add {local} to a layer: {error.strerror}")
