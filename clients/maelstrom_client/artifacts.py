"""Layers of this machine for workers elsewhere: described here, sent when the broker asks for them.

    artifacts = Artifacts(cache_root, dial, token, refused=...)
    artifact = artifacts.offer(layer)          # of each realised layer; for `Submit`
    artifacts.wanted(digest)                   # the broker said `WantArtifact`; `refused` is called if that cannot be

Imports containers, for the description of trees, and the core.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from maelstrom_container.promise import Promise
from maelstrom_container.trees.describe import Described, Describer
from maelstrom_container.trees.look import Source
from maelstrom_core.artifact_client import ArtifactClient, Dial
from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import HostTree, LayerDirectory, RealisedLayer
from maelstrom_core.messages import Artifact

CONNECTIONS = 4

Refused = Callable[[str, str], None]


def source_of(layer: RealisedLayer) -> Source:
    """Return the directory that a layer is made of, and where it appears in the container."""
    match layer:
        case HostTree(source, target, hidden):
            inside = os.fsencode(target).strip(b"/")
            return Source(os.fsencode(source), inside, frozenset(map(os.fsencode, hidden)))
        case LayerDirectory(path):
            return Source(os.fsencode(path), fixed=True)


class Artifacts:
    """What this client can give; every method may be called from any thread."""

    def __init__(
        self,
        cache_root: Path,
        dial: Dial,
        token: str,
        *,
        refused: Refused,
        name: str = "",
        connections: int = CONNECTIONS,
        told: Callable[[str], None] = lambda _message: None,
    ) -> None:
        """`refused` takes a digest and why it cannot be had: for the message `NoArtifact`; in a thread of this object.

        `told` takes what a user should know of a layer: what of it could not be read.
        """
        self._describer = Describer(cache_root / "trees")
        self._dial, self._token, self._name = dial, token, name
        self._refused = refused
        self._told = told
        self._mutex = threading.Lock()
        self._layers: dict[RealisedLayer, Promise[Artifact]] = {}
        self._described: dict[str, Described] = {}
        """By manifest."""
        self._named: dict[str, Described] = {}
        """By what manifests name."""
        self._wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._connections = connections

    def close(self) -> None:
        """Describe and send no more; what is on its way ends."""
        self._describer.stop()
        with self._mutex:
            threads, self._threads, self._connections = self._threads, [], 0
        for _ in threads:
            self._wanted.put(None)
        for thread in threads:
            thread.join()

    def offer(self, layer: RealisedLayer) -> Artifact:
        """Return what a layer is called; blocks while it is described, the first time, by this thread or another.

        Raises SpecError, InfrastructureError.
        """
        with self._mutex:
            known = self._layers.get(layer)
            if known is None:
                promise = self._layers[layer] = Promise[Artifact]()
        if known is not None:
            return known.wait()
        try:
            described = self._describer.describe(source_of(layer))
        except BaseException as error:
            with self._mutex:
                del self._layers[layer]
            promise.break_(error)
            raise
        with self._mutex:
            self._described[described.artifact.digest] = described
        self._tell(described)
        promise.keep(described.artifact)
        return described.artifact

    def wanted(self, digest: str) -> None:
        """Have an artifact sent, soon."""
        self._wanted.put(digest)
        with self._mutex:
            if len(self._threads) < self._connections:
                self._threads.append(threading.Thread(target=self._run, name="artifact-uploads", daemon=True))
                self._threads[-1].start()

    def _run(self) -> None:
        with ArtifactClient(self._dial, self._token, name=self._name) as client:
            while (digest := self._wanted.get()) is not None:
                try:
                    described = self._which(digest)
                    if described is None:
                        self._refused(digest, "this client has offered nothing of this name")
                    else:
                        client.upload(digest, described.content(digest))
                except MaelstromError as error:
                    self._refused(digest, error.message)
                except OSError as error:
                    self._refused(digest, f"failed to read {error.filename}: {error.strerror}")

    def _which(self, digest: str) -> Described | None:
        """Return the layer to which an artifact belongs; manifests are read when they have been asked for."""
        with self._mutex:
            manifest = self._described.get(digest)
            known = self._named.get(digest)
            pending = list(self._described.values())
        if manifest is not None or known is not None:
            return manifest or known
        for described in pending:
            named = dict.fromkeys(described.named, described)
            with self._mutex:
                for each, own in named.items():
                    self._named.setdefault(each, own)
            if digest in named:
                return described
        return None

    def _tell(self, described: Described) -> None:
        notes = described.notes
        if notes.unreadable_count:
            more = notes.unreadable_count - len(notes.unreadable)
            self._told(
                f"{notes.unreadable_count} files or directories cannot be read, and are empty for jobs elsewhere: "
                f"{', '.join(notes.unreadable)}{f', and {more} more' if more else ''}"
            )
