"""Layers on this machine: what users wrote becomes directories that an overlay can be made of.

A layer with copies becomes a directory of the cache, made once for each contents and shared by processes. Layers that
show this machine's directories become HostTrees and cost nothing. Every method may be called from any thread.
`images` keeps its layers here, too, and the documents that say what they belong to.

    CACHE_ROOT/layers/              a maelstrom_core.cache with the kinds `layer`, `document` and `blob`
    CACHE_ROOT/digests.sqlite3      digests of local files
    CACHE_ROOT/snapshots/           what large layers were made of, see `incremental`
    CACHE_ROOT/trees/               what directories held that were sent elsewhere, see `trees`
    CACHE_ROOT/python/              what interpreters said about themselves
    CACHE_ROOT/binaries/            what binaries said about the libraries that they need
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from blake3 import blake3

from maelstrom_container.build import CopiedLayer, build
from maelstrom_container.digest_cache import DigestCache
from maelstrom_container.manifest import DIRECTORY_MODE
from maelstrom_container.manifest_builder import BuiltLayer, SourceChangedError, TarArtifact
from maelstrom_container.promise import Promise
from maelstrom_core import log
from maelstrom_core.cache import DEFAULT_TARGET_SIZE, Cache, Get, Key, Stored, Success
from maelstrom_core.errors import InfrastructureError
from maelstrom_core.job import LayerDirectory, RealisedLayer
from maelstrom_core.spec import GlobLayer, HostLayer, Layer, ProjectLayer, PythonEnvironmentLayer, StoredLayer, TarLayer

if TYPE_CHECKING:
    from maelstrom_container.incremental import Search

LAYER = "layer"
DOCUMENT = "document"
BLOB = "blob"
"""Files that layers share, see `blobs`."""
_TAR_FORMAT = b"maelstrom tar layer 2 "
"""Part of the key of unpacked archives: to be changed with what `extract` makes of them."""
_BUILD_ATTEMPTS = 3

_Stored = Stored[Promise[bool]]
T = TypeVar("T")


class MissingLayerError(InfrastructureError):
    """A layer that should be in the cache is not there."""


class LayerStore:
    """The layers of one run. What was realised stays until `close`; the same layer is realised once only."""

    def __init__(self, cache_root: Path, *, target_size: int = DEFAULT_TARGET_SIZE) -> None:
        """Open the store; `target_size` in bytes. Raises UserError if the directory cannot be used."""
        self._root = cache_root
        self._cache: Cache[Promise[bool], None] = Cache(
            cache_root / "layers", kinds=(LAYER, DOCUMENT), linked_kinds=(BLOB,), target_size=target_size
        )
        self._digests = DigestCache(cache_root / "digests.sqlite3")
        self._mutex = threading.Lock()
        self._held: Counter[Key] = Counter()
        """How many uses of each have begun."""
        self._realised: dict[tuple[Layer, Path], Promise[tuple[RealisedLayer, ...]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bytes_used(self) -> int:
        """The size of the cache, as far as this process knows, in bytes."""
        return self._cache.bytes_used

    def close(self) -> None:
        """Give up all layers: the directories may disappear from now on."""
        self._digests.close()
        with self._mutex:
            held, self._held = self._held, Counter()
        for key in held.elements():
            self._cache.release(key)
        self._cache.close()

    def realise(self, layer: Layer, *, project_directory: Path) -> tuple[RealisedLayer, ...]:
        """Return what to stack for a layer, from the bottom up; blocks while it is made, by this thread or another.

        Raises SpecError for what is wrong with the layer, InfrastructureError if this machine could not do it; errors
        are not remembered: the next call tries again.
        """
        name = (layer, project_directory)
        with self._mutex:
            known = self._realised.get(name)
            if known is None:
                promise: Promise[tuple[RealisedLayer, ...]] = Promise()
                self._realised[name] = promise
        if known is not None:
            return known.wait()
        try:
            realised = self._realise(layer, project_directory)
        except BaseException as error:
            with self._mutex:
                self._realised.pop(name, None)
            promise.break_(error)
            raise
        promise.keep(realised)
        return realised

    def forget(self, path: str, project_directory: Path) -> None:
        """Take note that an archive was written anew: as a layer it is what it holds now, from now on."""
        with self._mutex:
            for name in [
                (layer, project)
                for layer, project in self._realised
                if isinstance(layer, TarLayer)
                and project == project_directory
                and os.path.normpath(project / layer.tar) == path
            ]:
                del self._realised[name]

    def has_layer(self, digest: str) -> bool:
        """Tell whether a layer is there, for now: it stays only when `layer` has returned it."""
        return self._cache.path(Key(LAYER, digest)).is_dir()

    def layer(self, digest: str, fill: Callable[[int], int]) -> LayerDirectory:
        """Return the layer of a digest (64 hexadecimal digits); it stays until the store is closed.

        If it is missing, `fill` is called with an empty directory, open, and returns the size of what it put there, in
        bytes. Lets errors of `fill` through; of several threads that want a layer one fills it.
        """
        return LayerDirectory(str(self._obtain(Key(LAYER, digest), lambda key: self._make_directory(key, fill))))

    def release(self, digest: str) -> None:
        """Give up one use of a layer, of those that `layer` and `find` have begun: it may be evicted from now on.

        For those who stay for long; `close` gives up everything else. Raises ValueError if there is no such use.
        """
        key = Key(LAYER, digest)
        with self._mutex:
            if not self._held[key]:
                raise ValueError(f"layer {digest} is not in use")
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
        self._cache.release(key)

    @property
    def blobs(self) -> Path:
        """The directory of files that layers share."""
        return self._cache.directory(BLOB)

    def find(self, digest: str) -> LayerDirectory | None:
        """Return the layer of a digest, which stays until the store is closed; None if there is none."""
        try:
            return self.layer(digest, _missing)
        except MissingLayerError:
            return None

    def scratch(self) -> Path:
        """Make an empty directory where layers are, for what takes long to make; to be given to `adopt` or `discard`.

        One that is forgotten is cleaned up at some later start. Raises InfrastructureError.
        """
        try:
            return self._cache.temporary_directory()
        except OSError as error:
            raise InfrastructureError(f"failed to make a directory below {self._root}: {error.strerror}") from None

    def adopt(self, digest: str, scratch: Path, size: int) -> LayerDirectory:
        """Make a scratch directory the layer of a digest, unless there is one, and return that; `size` in bytes."""
        scratch.chmod(DIRECTORY_MODE)
        return self._publish(digest, scratch, size)

    def discard(self, scratch: Path) -> None:
        """Delete a scratch directory."""
        self._cache.discard(scratch)

    def document(self, digest: str, make: Callable[[], bytes]) -> bytes:
        """Return the document of a digest, made if it is missing; the same as `layer`, with a file."""
        return self._obtain(Key(DOCUMENT, digest), lambda key: self._make_file(key, make())).read_bytes()

    def _realise(self, layer: Layer, project_directory: Path) -> tuple[RealisedLayer, ...]:
        match layer:
            case HostLayer():
                from maelstrom_container.host import realise_host

                return realise_host(layer, self._copies(project_directory))
            case ProjectLayer():
                from maelstrom_container.project import realise_project

                return (realise_project(layer, project_directory),)
            case PythonEnvironmentLayer():
                from maelstrom_container.python_environment import realise_python_environment

                return realise_python_environment(
                    layer, self._copies(project_directory), project_directory, self._root / "python"
                )
            case StoredLayer(digest):
                return (self.layer(digest, _missing),)
            case GlobLayer():
                return self._realise_glob(layer, project_directory)
            case _:
                return (self._realise_copied(layer, project_directory),)

    def _copies(self, project_directory: Path) -> Callable[[CopiedLayer], LayerDirectory]:
        return lambda layer: self._realise_copied(layer, project_directory)

    def _realise_copied(self, layer: CopiedLayer, project_directory: Path) -> LayerDirectory:
        for attempt in range(_BUILD_ATTEMPTS):
            built = build(layer, str(project_directory), self._digests, self._root / "binaries")
            try:
                return self.layer(_digest(built), partial(_write, built, self.blobs))
            except SourceChangedError:
                if attempt == _BUILD_ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _realise_glob(self, layer: GlobLayer, project_directory: Path) -> tuple[RealisedLayer, ...]:
        from maelstrom_container.incremental import Search

        search = Search.of(layer, str(project_directory))
        if search is None:
            return (self._realise_copied(layer, project_directory),)
        for attempt in range(_BUILD_ATTEMPTS):
            try:
                return self._realise_search(search)
            except SourceChangedError:
                if attempt == _BUILD_ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _realise_search(self, search: Search) -> tuple[RealisedLayer, ...]:
        """Return the layer of last time with what differs above it, or else a new one."""
        from maelstrom_container import incremental
        from maelstrom_container.blobs import BlobStore
        from maelstrom_container.search_writer import Below, SearchWriter
        from maelstrom_container.snapshots import Snapshots

        snapshots = Snapshots(self._root / "snapshots", incremental.Snapshot, incremental.VERSION)
        snapshot = snapshots.load(search.key)
        base = self.find(snapshot.base) if snapshot is not None else None
        found = search.scan(snapshot.folders if snapshot is not None else {})
        if snapshot is not None and base is not None:
            above = incremental.difference(search, snapshot, found, self._digests)
            if above is not None and not above.manifest.entries:
                return (base,)
            if above is not None:
                digest = incremental.difference_digest(snapshot.base, above.manifest)
                return base, self.layer(digest, partial(_write, above, self.blobs))
        if not search.is_large(found):
            built, _nodes = search.build(found, self._digests, {})
            return (self.layer(_digest(built), partial(_write, built, self.blobs)),)
        below = Below(base.path, snapshot.folders) if snapshot is not None and base is not None else None
        writer = partial(SearchWriter, search, below, self._digests, BlobStore(self.blobs))
        scratch, written = self._aside(lambda root: writer().write(found, root))
        digest = written.manifest.digest()
        made = self._publish(digest, scratch, written.size)
        entries = len(written.manifest.entries)
        snapshots.save(search.key, incremental.snapshot_of(digest, found, written.nodes, entries))
        return (made,)

    def _aside(self, fill: Callable[[int], T]) -> tuple[Path, T]:
        """Fill a scratch directory; return it, and what `fill` returns, to which it is given open."""
        try:
            return self._with_room(lambda: self._filled(fill))
        except OSError as error:
            raise self._not_written(error) from None

    def _publish(self, digest: str, scratch: Path, size: int) -> LayerDirectory:
        """Make a scratch directory the layer of a digest, unless there is one, and return that."""
        try:
            key = Key(LAYER, digest)
            return LayerDirectory(str(self._obtain(key, lambda key: self._cache.got_directory(key, scratch, size))))
        finally:
            self.discard(scratch)

    def _obtain(self, key: Key, make: Callable[[Key], _Stored]) -> Path:
        """Return where an entry is, made if missing; it stays until the store is closed."""
        while True:
            waiting: Promise[bool] = Promise()
            answer = self._cache.get(key, waiting, None)
            if isinstance(answer, Get):
                self._make(key, make)
            else:
                log.debug(f"{key.kind} found in the cache", digest=key.digest[:16])
            # if the one who makes it fails it is for reasons of its own: then we try ourselves
            if isinstance(answer, Success) or waiting.wait():
                with self._mutex:
                    self._held[key] += 1
                return self._cache.path(key)

    def _make(self, key: Key, make: Callable[[Key], _Stored]) -> None:
        """Make what everybody waits for, and tell them."""
        begun = time.monotonic()
        try:
            stored = self._with_room(lambda: make(key))
        except BaseException as error:
            for waiting in self._cache.failed(key):
                waiting.keep(False)
            if isinstance(error, OSError):
                raise self._not_written(error) from None
            raise
        log.info(f"{key.kind} made", digest=key.digest[:16], seconds=f"{time.monotonic() - begun:.3f}")
        for waiting in stored.waiting:
            waiting.keep(stored.error is None)
        if stored.error is not None:
            raise stored.error

    def _not_written(self, error: OSError) -> InfrastructureError:
        return InfrastructureError(
            f"failed to write a layer below {self._root}: {error.strerror or error}",
            hint="look whether the disk is full, or choose another directory with --cache-root",
        )

    def _with_room(self, make: Callable[[], T]) -> T:
        """Make something; if the disk is full once more, without what nobody uses."""
        try:
            return make()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            log.info("making room, as the disk is full", root=str(self._root))
            self._cache.make_room()
            return make()

    def _make_directory(self, key: Key, fill: Callable[[int], int]) -> _Stored:
        temporary, size = self._filled(fill)
        return self._cache.got_directory(key, temporary, size)

    def _filled(self, fill: Callable[[int], T]) -> tuple[Path, T]:
        """Return a temporary directory that was filled, and what `fill` returned, which was given it open."""
        temporary = self._cache.temporary_directory()
        try:
            root = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return temporary, fill(root)
            finally:
                os.close(root)
        except BaseException:
            self._cache.discard(temporary)
            raise

    def _make_file(self, key: Key, contents: bytes) -> _Stored:
        temporary = self._cache.temporary_file()
        try:
            temporary.write_bytes(contents)
        except BaseException:
            self._cache.discard(temporary)
            raise
        return self._cache.got_file(key, temporary)


def _write(built: BuiltLayer, blobs: Path, root: int) -> int:
    from maelstrom_container.layer_writer import write_layer  # most layers are there already

    return write_layer(built, blobs, root)


def _missing(_root: int) -> int:
    raise MissingLayerError("a layer that was made is gone from the cache", hint="run it again")


def _digest(built: BuiltLayer) -> str:
    if isinstance(built, TarArtifact):
        return blake3(_TAR_FORMAT + built.digest.encode()).hexdigest()
    return built.manifest.digest()
