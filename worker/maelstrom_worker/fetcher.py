"""Layers of jobs that came from elsewhere: fetched from the broker, realised in this machine's layer store.

    fetcher = Fetcher(store, cache_root / "fetched", dial, token)
    directories = fetcher.obtain(artifacts)      # blocks; in any thread
    ... the job runs ...
    fetcher.release(artifacts)

However many jobs want a layer it is made once, and however many layers an artifact it is fetched once. Only manifests
are layers. What the store has already, by the same contents, is not fetched, nor what is installed here. A layer that
was evicted and made again is another directory: its `LayerDirectory` differs, so that no root that was prepared with
the old one is used.

In the directory `fetched` a small file for each artifact says what its layer is called in the store: so that after a
restart `holding` knows what is there. Blocking; imports containers and the core.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from maelstrom_container.store import LayerStore
from maelstrom_container.trees.own_files import OwnFiles
from maelstrom_container.trees.realise import write_tree
from maelstrom_container.trees.tree import LARGEST_MANIFEST, decode
from maelstrom_core import log
from maelstrom_core.artifact_client import ArtifactClient, Dial
from maelstrom_core.errors import InfrastructureError, SpecError
from maelstrom_core.job import LayerDirectory
from maelstrom_core.messages import Artifact

CONNECTIONS = 4
LARGEST_LAYER = 64 << 30
"""Bytes of all files of a layer, at most."""
_LOOK = 1.0
"""Seconds between two looks at what was evicted."""
_HEX = re.compile(r"[0-9a-f]{64}")

Changed = Callable[[tuple[str, ...], tuple[str, ...]], None]


class Fetcher:
    """The layers of a worker; every method may be called from any thread."""

    def __init__(
        self,
        store: LayerStore,
        fetched: Path,
        dial: Dial,
        token: str,
        *,
        name: str = "",
        connections: int = CONNECTIONS,
        largest: int = LARGEST_LAYER,
        changed: Changed = lambda _added, _removed: None,
    ) -> None:
        """Have `changed` told which artifacts came and went, for `Holding`, in whatever thread it happens.

        Raises InfrastructureError where the directory cannot be used.
        """
        self._store = store
        self._fetched = fetched
        self._largest = largest
        self._changed = changed
        self._mutex = threading.Lock()
        self._all = tuple(ArtifactClient(dial, token, name=name) for _ in range(connections))
        self._free: queue.SimpleQueue[ArtifactClient] = queue.SimpleQueue()
        for client in self._all:
            self._free.put(client)
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._uses: Counter[str] = Counter()
        self._looked = 0.0
        self._names = self._known()
        """Of layers that are in the store, by artifact."""

    def close(self) -> None:
        """Close the connections, whoever waits for something to come; layers in use stay with the store."""
        for client in self._all:
            client.give_up()

    def renew(self) -> None:
        """Take note that the broker was lost: what waits for it asks again, on new connections."""
        for client in self._all:
            client.interrupt()

    def holding(self) -> tuple[str, ...]:
        """Return the artifacts whose layers are here: for `Holding`, when a connection to the broker begins."""
        with self._mutex:
            return tuple(self._names)

    def obtain(self, artifacts: Sequence[Artifact]) -> tuple[LayerDirectory, ...]:
        """Return the layers of these artifacts, in order, fetched where they are missing; they stay until `release`.

        Raises SpecError for a manifest that is wrong, InfrastructureError for what could not be fetched or written.
        """
        layers: list[LayerDirectory] = []
        try:
            layers.extend(map(self._obtain, artifacts))
        except BaseException:
            self.release(artifacts[: len(layers)])
            raise
        return tuple(layers)

    def release(self, artifacts: Sequence[Artifact]) -> None:
        """Give back what `obtain` has returned once: layers that nobody uses may make room for others."""
        for artifact in artifacts:
            with self._mutex:
                name = self._names[artifact.digest]
                self._uses[artifact.digest] -= 1
                if not self._uses[artifact.digest]:
                    del self._uses[artifact.digest]
            self._store.release(name)
        if time.monotonic() - self._looked > _LOOK:
            self._look()

    # layers

    def _obtain(self, artifact: Artifact) -> LayerDirectory:
        digest = artifact.digest
        if not artifact.manifest:
            raise SpecError(f"artifact {digest} is given as a layer, and is no manifest")
        with self.once(digest):
            with self._mutex:
                name = self._names.get(digest)
            layer = self._store.find(name) if name is not None else None
            if name is None or layer is None:
                name, layer = self._make(digest)
            with self._mutex:
                new = digest not in self._names
                self._names[digest] = name
                self._uses[digest] += 1
        if new:
            self._changed((digest,), ())
            self._look()
        generation = os.stat(layer.path).st_ctime_ns
        return LayerDirectory(layer.path, generation)

    def _make(self, digest: str) -> tuple[str, LayerDirectory]:
        begun = time.monotonic()
        with self._client() as client:
            tree = decode(client.fetch(digest, LARGEST_MANIFEST))
        if tree.size > self._largest:
            raise SpecError(f"a layer of {tree.size} bytes is larger than the {self._largest} that this worker takes")
        name = tree.manifest.digest()
        own = OwnFiles()
        layer = self._store.layer(name, lambda root: write_tree(tree, root, self._store.blobs, self, own))
        fresh = self._fetched / f"{digest}.{os.getpid()}"
        try:
            fresh.write_text(name)
            fresh.rename(self._fetched / digest)
        except OSError:  # after a restart it is fetched again
            with contextlib.suppress(OSError):
                fresh.unlink()
        seconds = f"{time.monotonic() - begun:.3f}"
        log.info("layer fetched", artifact=digest[:16], seconds=seconds, bytes=tree.size, own=own.taken)
        return name, layer

    def _look(self) -> None:
        """Tell what was evicted."""
        self._looked = time.monotonic()
        with self._mutex:
            unused = {digest: name for digest, name in self._names.items() if digest not in self._uses}
        gone = [digest for digest, name in unused.items() if not self._store.has_layer(name)]
        with self._mutex:
            gone = [digest for digest in gone if digest not in self._uses and self._names.pop(digest, None) is not None]
        if gone:
            for digest in gone:
                with contextlib.suppress(OSError):
                    (self._fetched / digest).unlink()
            self._changed((), tuple(gone))

    def _known(self) -> dict[str, str]:
        known: dict[str, str] = {}
        try:
            self._fetched.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in self._fetched.iterdir():
                name = path.read_text()[:65]
                if _HEX.fullmatch(path.name) and _HEX.fullmatch(name) and self._store.has_layer(name):
                    known[path.name] = name
                else:
                    path.unlink()
        except OSError as error:
            raise InfrastructureError(f"failed to use {self._fetched}: {error.strerror}") from None
        return known

    # for `write_tree`

    @contextlib.contextmanager
    def once(self, digest: str) -> Iterator[None]:
        """Let one thread at a time do something about an artifact."""
        with self._mutex:
            lock, waiting = self._locks.get(digest, (threading.Lock(), 0))
            self._locks[digest] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._mutex:
                lock, waiting = self._locks.pop(digest)
                if waiting > 1:
                    self._locks[digest] = (lock, waiting - 1)

    def memory(self, digest: str, size: int) -> bytearray:
        """Return an artifact, checked."""
        with self._client() as client:
            return client.fetch(digest, size)

    def file(self, digest: str, size: int, descriptor: int) -> None:
        """Write an artifact, checked, to a file."""
        with self._client() as client:
            client.fetch_into(digest, size, descriptor)

    @contextlib.contextmanager
    def _client(self) -> Iterator[ArtifactClient]:
        client = self._free.get()
        try:
            yield client
        finally:
            self._free.put(client)
