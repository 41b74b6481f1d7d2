"""Layers of this machine for workers elsewhere: described here, sent when the broker asks for them.

    artifacts = Artifacts(cache_root, dial, token, refused=...)
    artifact = artifacts.offer(layer)          # of each realised layer; for `Submit`
    artifacts.wanted(digest)                   # the broker said `WantArtifact`; `refused` is called if that cannot be
    artifacts.renew()                          # the broker was lost

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
from maelstrom_core.artifact_client import ArtifactClient, Dial, UnreachedError
from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import HostTree, LayerDirectory, RealisedLayer
from maelstrom_core.messages import Artifact

CONNECTIONS = 4
ROUNDS = 20
"""How often an artifact is tried to be sent while the broker that wants it is there; each is some attempts."""

Refused = Callable[[str, str, int], None]


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
        """`refused` takes a digest, why it cannot be had, and the turn: for the message `NoArtifact`, in that turn.

        It is called in a thread of this object.
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
        self._wanted: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        self.turn = 0
        """Of the connection to the broker. What was wanted in an earlier one nobody waits for."""
        self._threads: list[threading.Thread] = []
        self._clients: list[ArtifactClient] = []
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
        self._wanted.put((digest, self.turn))
        with self._mutex:
            if len(self._threads) < self._connections:
                client = ArtifactClient(self._dial, self._token, name=self._name)
                thread = threading.Thread(target=self._run, args=(client,), name="artifact-uploads", daemon=True)
                self._clients.append(client)
                self._threads.append(thread)
                thread.start()

    def renew(self) -> None:
        """Take note that the broker was lost: the next one will say again what it wants."""
        self.turn += 1
        for client in self._clients:
            client.interrupt()

    def _run(self, client: ArtifactClient) -> None:
        with client:
            while (wanted := self._wanted.get()) is not None:
                digest, turn = wanted
                reason = self._send(client, digest, turn)
                if reason is not None and turn == self.turn:
                    self._refused(digest, reason, turn)

    def _send(self, client: ArtifactClient, digest: str, turn: int) -> str | None:
        """Send an artifact; return why it cannot be had.

        While the broker is there that wants it, that it does not come through will pass.
        """
        reason = None
        for _ in range(ROUNDS):
            if turn != self.turn:
                break
            try:
                described = self._which(digest)
                if described is None:
                    return "this client has offered nothing of this name"
                client.upload(digest, described.content(digest))
            except UnreachedError as error:
                reason = error.message
            except MaelstromError as error:
                return error.message
            except OSError as error:
                return f"failed to read {error.filename}: {error.strerror}"
            else:
                return None
        return reason

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
