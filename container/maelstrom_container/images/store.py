"""Images on this machine: what a name means becomes layers of the store, made once for all projects and processes.

    CACHE_ROOT/layers/              layers by the digest of their contents; the documents of an image by its digest
    CACHE_ROOT/images/XX.lock       who downloads what begins with these digits

An image that was once downloaded needs no network again: its tag is in the project's tag lock, its documents and layers
are in the cache, and what was evicted of these is downloaded anew. `registry` is imported when something is missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from maelstrom_container.images.documents import (
    Descriptor,
    Image,
    digest_of,
    machine_platform,
    parse_document,
    short,
)
from maelstrom_container.images.downloads import Count, CountedStream, Watch
from maelstrom_container.images.name import DIGEST_LENGTHS, LayoutName, RegistryName, parse_name
from maelstrom_container.images.source import CheckedStream, Source, check_document, find_image
from maelstrom_container.images.stopping import Stop
from maelstrom_container.images.tag_lock import read_tags, write_tag
from maelstrom_container.images.users import find_user
from maelstrom_container.promise import Promise
from maelstrom_container.store import LayerStore
from maelstrom_core import log
from maelstrom_core.errors import InfrastructureError, MaelstromError, SpecError
from maelstrom_core.job import LayerDirectory
from maelstrom_core.spec import Reference, Use

if TYPE_CHECKING:
    from maelstrom_container.images.registry import RegistrySource

_LAYER_FORMAT = b"maelstrom image layer 1 "
"""Part of the key of layers: to be changed with what `extract` makes of them."""
_DOCUMENTS_FORMAT = b"maelstrom image documents 1 "
_PARALLEL = 4
"""Layers that are downloaded and unpacked at the same time."""
_PAUSE = 0.05


class ImageOptions(msgspec.Struct, frozen=True):
    """How images are looked for. `update`: what a tag means is looked up anew, once for each image."""

    check_certificates: bool = True
    update: bool = False
    watch: Watch | None = None
    """Is told of downloads."""


class RealisedImage(msgspec.Struct, frozen=True):
    """An image ready for containers; what was not asked for is empty. Layers from the bottom up."""

    layers: tuple[LayerDirectory, ...]
    environment: dict[str, str]
    working_directory: str
    user: int = 0
    group: int = 0
    command: tuple[str, ...] = ()
    """What it runs by itself."""


class _Documents(msgspec.Struct, frozen=True):
    """The documents of an image as they came, so that they can be checked again; the first is what its digest names."""

    media_type: str
    documents: tuple[bytes, ...]


class _Found(msgspec.Struct, frozen=True):
    image: Image
    source: Source
    remote: bool = True


class ImageStore:
    """The images of one run, in a layer store that is open; every method may be called from any thread."""

    def __init__(self, store: LayerStore, cache_root: Path, project_directory: Path, options: ImageOptions) -> None:
        self._store = store
        self._locks = cache_root / "images"
        self._project = project_directory
        self._options = options
        self._platform = machine_platform(os.uname().machine)
        self._stop = Stop()
        self._mutex = threading.Lock()
        self._realised: dict[Reference, Promise[RealisedImage]] = {}
        self._sources: list[RegistrySource] = []
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Have downloads end, with an error; before whoever waits for them is waited for."""
        self._stop.set()

    def close(self) -> None:
        """Have downloads end, wait for that, and close connections."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:  # an interrupt came before it began
                thread.join()
        for source in self._sources:
            source.close()

    def realise(self, reference: Reference) -> RealisedImage:
        """Return what is used of an image; blocks while it is downloaded, by this thread or another.

        Raises UserError for what is wrong with the name or the image, InfrastructureError where a registry cannot be
        reached or does not do its part; errors are not remembered.
        """
        with self._mutex:
            known = self._realised.get(reference)
            if known is None:
                promise: Promise[RealisedImage] = Promise()
                self._realised[reference] = promise
        if known is not None:
            return known.wait()
        try:
            realised = self._realise(reference)
        except BaseException as error:
            with self._mutex:
                del self._realised[reference]
            promise.break_(error)
            raise
        promise.keep(realised)
        return realised

    def _realise(self, reference: Reference) -> RealisedImage:
        what = f"the image {reference.name}"
        name = parse_name(reference.name)
        found = self._find_layout(name) if isinstance(name, LayoutName) else self._find_in_registry(name)
        settings = found.image.settings
        layers: tuple[LayerDirectory, ...] = ()
        if reference.use & {Use.LAYERS, Use.USER}:  # a user's number may be in them
            layers = self._realise_layers(found, what)
        user, group = (0, 0)
        if Use.USER in reference.use:
            user, group = find_user(settings.user, [layer.path for layer in layers], what)
        return RealisedImage(
            layers=layers if Use.LAYERS in reference.use else (),
            environment=settings.environment,
            working_directory=settings.working_directory,
            user=user,
            group=group,
            command=settings.command,
        )

    # finding

    def _find_layout(self, name: LayoutName) -> _Found:
        from maelstrom_container.images.layout import LayoutSource

        source = LayoutSource(name, str(self._project / name.path))
        return _Found(
            find_image(source.index, source.document, self._platform, f"the image {name}"), source, remote=False
        )

    def _find_in_registry(self, name: RegistryName) -> _Found:
        what = f"the image {name}"
        digest = name.digest
        if digest is None and not self._options.update:
            digest = read_tags(self._project).get(name.without_tag, {}).get(name.effective_tag)
        if digest is not None:
            pinned = msgspec.structs.replace(name, digest=digest)
            later = _Later(lambda: self._connect(pinned))
            kept = self._documents(digest, lambda: self._download_documents(later.get(), what)[1])
            return _Found(self._parse(digest, kept, what), later)
        source = self._connect(name)
        digest, fresh = self._download_documents(source, what)
        found = _Found(self._parse(digest, self._documents(digest, lambda: fresh), what), source)
        write_tag(self._project, name.without_tag, name.effective_tag, digest)
        return found

    def _documents(self, digest: str, make: Callable[[], bytes]) -> bytes:
        """Return the documents of an image, kept or made."""
        key = blake3(_DOCUMENTS_FORMAT + f"{digest} {self._platform}".encode()).hexdigest()
        return self._store.document(key, make)

    def _download_documents(self, source: RegistrySource, what: str) -> tuple[str, bytes]:
        """Return the digest of an image, and its documents as they are kept."""
        top = source.top()
        documents = [top.data]

        def fetch(descriptor: Descriptor) -> bytes:
            documents.append(source.document(descriptor))
            return documents[-1]

        find_image(parse_document(top.data, top.media_type, what), fetch, self._platform, what)
        return top.digest, msgspec.msgpack.encode(_Documents(top.media_type, tuple(documents)))

    def _parse(self, digest: str, kept: bytes, what: str) -> Image:
        """Return the image of documents that were kept, as carefully as if they had just come."""

        def damaged(problem: str) -> MaelstromError:
            return InfrastructureError(f"{what} is damaged in the cache: {problem}", hint="delete the cache")

        try:
            documents = msgspec.msgpack.decode(kept, type=_Documents)
        except msgspec.MsgspecError as error:
            raise damaged(str(error)) from None
        if not documents.documents or digest_of(documents.documents[0], digest.partition(":")[0]) != digest:
            raise damaged(f"{short(digest)} has other contents")
        algorithms = tuple(DIGEST_LENGTHS)
        by_digest = {digest_of(data, algorithm): data for data in documents.documents for algorithm in algorithms}

        def fetch(descriptor: Descriptor) -> bytes:
            data = by_digest.get(descriptor.digest)
            if data is None:
                raise damaged(f"{short(descriptor.digest)} is missing")
            return check_document(data, descriptor, damaged)

        top = parse_document(documents.documents[0], documents.media_type, what)
        return find_image(top, fetch, self._platform, what)

    def _connect(self, name: RegistryName) -> RegistrySource:
        from maelstrom_container.images.registry import RegistrySource

        log.info("asking a registry", image=str(name))
        source = RegistrySource(name, self._stop, check_certificates=self._options.check_certificates)
        with self._mutex:
            self._sources.append(source)
        return source

    # layers

    def _realise_layers(self, found: _Found, what: str) -> tuple[LayerDirectory, ...]:
        """Return the layers, those that are missing made by a few threads at a time.

        Raises the first error at once: what other threads have begun they bring to an end, or to that of the store.
        """
        layers = found.image.layers
        left = list(range(len(layers)))
        results: dict[int, LayerDirectory] = {}
        errors: list[Exception] = []
        over = threading.Event()

        def work() -> None:
            while not errors:
                with self._mutex:
                    if not left:
                        return
                    index = left.pop(0)
                try:
                    results[index] = self._realise_layer(found, index, what, count)
                except Exception as error:  # noqa: BLE001 - for whoever waits
                    errors.append(error)
                if errors or len(results) == len(layers):
                    over.set()

        missing = {
            index: descriptor.size
            for index, (descriptor, contents) in enumerate(layers)
            if not self._store.has_layer(_layer_key(contents))
        }
        log.info(f"{what} found", layers=len(layers), missing=len(missing), bytes=sum(missing.values()))
        watch = self._options.watch
        count = Count(what.removeprefix("the image "), missing, watch) if watch and missing and found.remote else None
        if len(missing) < 2:
            work()
        else:
            threads = [threading.Thread(target=work, daemon=True) for _ in range(min(len(missing), _PARALLEL))]
            with self._mutex:
                self._threads += threads
            for thread in threads:
                thread.start()
            over.wait()
        if errors:
            raise errors[0]
        if count is not None:
            count.over()
        return tuple(results[index] for index in range(len(layers)))

    def _realise_layer(self, found: _Found, index: int, what: str, count: Count | None) -> LayerDirectory:
        descriptor, contents = found.image.layers[index]
        key = _layer_key(contents)
        counted = count if count is not None and index in count else None
        filled = False

        def fill(root: int) -> int:
            nonlocal filled
            filled = True
            log.info("layer of an image is fetched", digest=descriptor.digest, bytes=descriptor.size)
            came = partial(counted.came, index) if counted is not None else None
            return _unpack(found.source, descriptor, contents, root, what=what, stop=self._stop, came=came)

        if self._store.has_layer(key):  # not behind somebody who downloads another
            layer = self._store.layer(key, fill)
        else:
            with self._locked(contents):
                layer = self._store.layer(key, fill)
        if counted is not None:
            (counted.complete if filled else counted.not_needed)(index)
        return layer

    @contextmanager
    def _locked(self, digest: str) -> Iterator[None]:
        """Keep other processes from downloading the same; there are 256 locks, and nobody holds two."""
        try:
            self._locks.mkdir(parents=True, exist_ok=True)
            path = self._locks / f"{digest.partition(':')[2][:2]}.lock"
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise InfrastructureError(
                f"failed to write below {self._locks}: {error.strerror}", hint="choose another --cache-root"
            ) from None
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._stop.wait(_PAUSE)
            yield
        finally:
            os.close(lock)


class _Later:
    """A registry as a source of layers: connected to when one is missing."""

    def __init__(self, connect: Callable[[], RegistrySource]) -> None:
        self._connect = connect
        self._mutex = threading.Lock()
        self._source: RegistrySource | None = None

    def get(self) -> RegistrySource:
        """Return the registry."""
        with self._mutex:
            if self._source is None:
                self._source = self._connect()
            return self._source

    def document(self, descriptor: Descriptor) -> bytes:
        """Return a document, checked."""
        return self.get().document(descriptor)

    def layer(self, descriptor: Descriptor) -> AbstractContextManager[CheckedStream]:
        """Open the archive of a layer."""
        return self.get().layer(descriptor)


def _unpack(
    source: Source,
    descriptor: Descriptor,
    contents: str,
    root: int,
    *,
    what: str,
    stop: Stop,
    came: Callable[[int], object] | None,
) -> int:
    """Unpack a layer into a directory, open as `root`; returns its size. Nothing is left to believe afterwards."""
    from maelstrom_container.extract import extract_tar

    algorithm, _, expected = contents.partition(":")
    uncompressed = hashlib.new(algorithm)

    def observe(data: bytes) -> None:
        stop.check()  # for sources without a connection that could end
        uncompressed.update(data)

    with source.layer(descriptor) as stream:
        try:
            archive = stream if came is None else CountedStream(stream, came)
            size = extract_tar(archive, root, observe=observe, of_image=True)
        except SpecError as error:
            stream.finish()  # if the archive is not what was announced, then that is what is wrong with it
            raise SpecError(
                f"failed to unpack the layer {short(descriptor.digest)} of {what}: {error.message}", hint=error.hint
            ) from None
        stream.finish()
    if uncompressed.hexdigest() != expected:
        raise SpecError(
            f"failed to unpack the layer {short(descriptor.digest)} of {what}: its contents are not those that the "
            "configuration of the image names"
        )
    return size


def _layer_key(contents: str) -> str:
    return blake3(_LAYER_FORMAT + contents.encode()).hexdigest()
