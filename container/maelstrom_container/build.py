"""From a layer as the user wrote it to a layer as data: what it holds, and where the contents are.

One small function for each kind. Those that show directories of this machine in place (host, project,
python_environment) are in modules of their own. Imports builders only; writing is the store's work.
"""

from __future__ import annotations

import os
from pathlib import Path

from maelstrom_container.digest_cache import DigestCache
from maelstrom_container.file_batches import signature
from maelstrom_container.manifest import Directory, File, Symlink, check_target
from maelstrom_container.manifest_builder import BuiltLayer, ManifestBuilder, ManifestLayer, Source, TarArtifact
from maelstrom_container.prefix import container_path, follows, local_path
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import (
    GlobLayer,
    PathsLayer,
    SharedLibraryDependenciesLayer,
    StubsLayer,
    SymlinksLayer,
    TarLayer,
)

STUB_TIME = 1_705_000_271 * 1_000_000_000
"""The modification time of stubs, in nanoseconds: any constant keeps their digests the same."""
EMPTY_DIGEST = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
_STUB_FILE_MODE = 0o444
_STUB_DIRECTORY_MODE = 0o555
_MAX_STUBS = 100_000

CopiedLayer = TarLayer | GlobLayer | PathsLayer | StubsLayer | SymlinksLayer | SharedLibraryDependenciesLayer


def build(layer: CopiedLayer, project_directory: str, digests: DigestCache, binaries: Path | None = None) -> BuiltLayer:
    """Build any layer that holds copies. Raises SpecError for whatever is wrong with it.

    `binaries` is a directory where what is found out about binaries is kept.
    """
    match layer:
        case TarLayer():
            return build_tar(layer, project_directory, digests)
        case GlobLayer():
            return build_glob(layer, project_directory, digests)
        case PathsLayer():
            return build_paths(layer, project_directory, digests)
        case StubsLayer():
            return build_stubs(layer, digests)
        case SymlinksLayer():
            return build_symlinks(layer, digests)
        case SharedLibraryDependenciesLayer():
            return build_shared_libraries(layer, project_directory, digests, binaries)


def build_tar(layer: TarLayer, project_directory: str, digests: DigestCache) -> TarArtifact:
    """Return the archive as it is, named by its digest."""
    path = local_path(layer.tar, project_directory)
    digest, status = digests.digest_of(path)
    return TarArtifact(Source(path, signature(status)), digest)


def build_glob(layer: GlobLayer, project_directory: str, digests: DigestCache) -> ManifestLayer:
    """Return the files that match; none is no error."""
    from maelstrom_container.glob_files import find_files

    builder = ManifestBuilder(digests)
    for path in find_files(layer.glob, project_directory):
        target = container_path(path, layer, project_directory)
        builder.add_local(target, local_path(path, project_directory), follow=follows(layer))
    return builder.build()


def build_paths(layer: PathsLayer, project_directory: str, digests: DigestCache) -> ManifestLayer:
    """Return what is named, directories without their contents."""
    builder = ManifestBuilder(digests)
    for path in layer.paths:
        target = container_path(path, layer, project_directory)
        builder.add_local(target, local_path(path, project_directory), follow=follows(layer))
    return builder.build()


def build_stubs(layer: StubsLayer, digests: DigestCache) -> ManifestLayer:
    """Return empty files and directories, after brace expansion."""
    import bracex

    builder = ManifestBuilder(digests)
    for pattern in layer.stubs:
        try:
            stubs = bracex.expand(pattern, limit=_MAX_STUBS)
        except bracex.ExpansionLimitException:
            raise SpecError(f"the stub {pattern} expands to more than {_MAX_STUBS} paths") from None
        if not all(stubs or [""]):
            raise SpecError(f"the stub {pattern!r} is, or expands to, an empty path")
        for stub in stubs:
            if stub.endswith("/"):
                builder.add(stub, Directory(_STUB_DIRECTORY_MODE))
            else:
                builder.add(stub, File(_STUB_FILE_MODE, STUB_TIME, 0, EMPTY_DIGEST))
    return builder.build()


def build_symlinks(layer: SymlinksLayer, digests: DigestCache) -> ManifestLayer:
    """Return the links, wherever they lead."""
    builder = ManifestBuilder(digests)
    for symlink in layer.symlinks:
        target = os.fsencode(symlink.target)
        check_target(os.fsencode(symlink.link), target)
        builder.add(symlink.link, Symlink(target))
    return builder.build()


def build_shared_libraries(
    layer: SharedLibraryDependenciesLayer, project_directory: str, digests: DigestCache, known: Path | None = None
) -> ManifestLayer:
    """Return the libraries and loaders that the binaries need, not the binaries themselves."""
    from maelstrom_container.known_binaries import KnownBinaries
    from maelstrom_container.shared_libraries import System, find_shared_libraries

    system = System() if known is None else System(read=KnownBinaries(known).read)
    builder = ManifestBuilder(digests)
    binaries = [local_path(path, project_directory) for path in layer.shared_library_dependencies]
    for path in find_shared_libraries(binaries, system):
        # libraries are found by the name of a symlink, often: it is the file that is needed
        builder.add_local(container_path(path, layer, project_directory), path, follow=True)
    return builder.build()
