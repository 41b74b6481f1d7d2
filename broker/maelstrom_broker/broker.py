"""The broker as one pure machine: what happens goes in, what is to be done comes out.

    effects = broker.handle(Said(peer, message), now)

Joins the scheduler and the gatherer, knows who is connected, and parts with who is silent or breaks the rules. It keeps
nothing that a restart would lose: clients offer their unfinished jobs again. Who connects again is somebody new: a
client of the same name takes the place of its former self. `now` is any clock that never goes back, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maelstrom_broker import admin, overview
from maelstrom_broker import effects as e
from maelstrom_broker.effects import Close, Effect, Event, Send
from maelstrom_broker.gatherer import Gatherer
from maelstrom_broker.records import Client, Peer, Requirements, Settings, Worker
from maelstrom_broker.scheduler import Scheduler
from maelstrom_core import messages as m

DEFAULT_SETTINGS = Settings()
_OF_ATTEMPTS = (m.Ended, m.Started, m.Broken, m.Stopped, m.Returned)

Watcher = m.Role
"""Of a connection that only watches: what it may do."""


class Broker:
    """The machine."""

    def __init__(self, settings: Settings = DEFAULT_SETTINGS, *, readers: int = 16, remembered: int = 100_000) -> None:
        self.settings = settings
        self._effects: list[Effect] = []
        self.scheduler = Scheduler(settings, self._effects)
        self.gatherer = Gatherer(self._effects, readers=readers, remembered=remembered)
        self.peers: dict[Peer, Client | Worker | Watcher] = {}
        self.heard: dict[Peer, float] = {}
        """When each peer said something last."""
        self._names: dict[str, Peer] = {}
        """Of clients."""
        self._beat = 0.0
        self.since: float | None = None
        """When the first event came."""
        self._events: dict[type, Callable[[Any], None]] = {
            e.Said: self._said,
            e.Connected: self._connected,
            e.Disconnected: self._disconnected,
            e.Tick: self._tick,
            e.Stored: lambda event: self.gatherer.stored(event.digest),
            e.NotStored: lambda event: self.gatherer.refused(event.digest, event.peer, event.reason),
            e.Evicted: lambda event: self.gatherer.evicted(event.digest),
            e.ManifestEntries: lambda event: self.gatherer.entries(event.digest, event.named),
            e.ManifestRead: lambda event: self.gatherer.read(event.digest, event.error),
        }
        self._of_clients: dict[type, Callable[[Client, Any, bytes], None]] = {
            m.Submit: self._submit,
            m.Cancel: self._cancel,
            m.NoArtifact: self._no_artifact,
        }
        self._of_admins: dict[type, Callable[[Any], int]] = {
            m.Drain: lambda message: admin.drain(self, message.worker),
            m.CancelJob: lambda message: admin.cancel(self, Peer(message.client), message.sequence),
            m.StopBroker: lambda _message: 1,
        }

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take in one event; return what is to be done, in order."""
        self.take(event, now)
        return self.settle()

    def take(self, event: Event, now: float) -> None:
        """Take in one event of several that came together; `settle` is to follow the last."""
        self.scheduler.now = self.gatherer.now = now
        if self.since is None:
            self.since = now
        self._events[type(event)](event)
        if self.gatherer.ready or self.gatherer.failed:
            self._gathered()
        if self.scheduler.ended:
            self._let_go()

    def settle(self) -> list[Effect]:
        """Give what is free to what waits; return what is to be done, in order."""
        self.scheduler.settle()
        effects = self._effects[:]
        self._effects.clear()
        return effects

    def _gathered(self) -> None:
        """Let jobs wait for a worker that have all their artifacts; fail those that cannot have them."""
        scheduler, gatherer = self.scheduler, self.gatherer
        failed, gatherer.failed = gatherer.failed, []
        for job, reason in failed:
            if job.state == "artifacts":
                scheduler.fail(job, reason)
        ready, gatherer.ready = gatherer.ready, []
        for job in ready:
            if job.state == "artifacts":
                scheduler.ready(job)

    def _let_go(self) -> None:
        """Let go of the artifacts of jobs that have ended."""
        ended, self.scheduler.ended = self.scheduler.ended, []
        for job in ended:
            self.gatherer.ended(job)

    def validate(self) -> None:
        """Raise AssertionError where an invariant does not hold; costs as much as there is."""
        from maelstrom_broker.invariants import validate

        validate(self)

    # who is there

    def _connected(self, event: e.Connected) -> None:
        peer, hello = event.peer, event.hello
        if peer in self.heard:
            raise ValueError(f"peer {peer} is connected already")
        self.heard[peer] = self.scheduler.now
        if hello.role == "client":
            former = self._names.get(hello.name)
            if former is not None:
                self._part(former, "connected again")
            client = Client(peer, hello.name, "states" in hello.features, since=self.scheduler.now)
            self.peers[peer] = self.scheduler.clients[peer] = client
            self._names[hello.name] = peer
        elif hello.offer is not None:
            slots, memory, labels = hello.offer.slots, hello.offer.memory, frozenset(hello.offer.labels)
            look_ahead = min(self.settings.look_ahead, slots)
            name = hello.name or f"worker {peer}"
            worker = Worker(peer, name, slots, memory, labels, look_ahead, since=self.scheduler.now)
            self.peers[peer] = worker
            self.scheduler.worker_here(worker)
        else:
            self.peers[peer] = hello.role

    def _disconnected(self, event: e.Disconnected) -> None:
        if event.peer in self.peers:
            self._forget(event.peer, event.reason)

    def _part(self, peer: Peer, reason: str) -> None:
        self._effects.append(Close(peer, reason))
        self._forget(peer, reason)

    def _forget(self, peer: Peer, reason: str) -> None:
        who = self.peers.pop(peer)
        del self.heard[peer]
        if isinstance(who, Client):
            del self._names[who.name]
            self.scheduler.client_gone(who)
            self._let_go()
            self.gatherer.client_gone(peer)
        elif isinstance(who, Worker):
            self.scheduler.worker_gone(who, reason)

    def _tick(self, _event: e.Tick) -> None:
        now = self.scheduler.now
        for peer in [peer for peer, heard in self.heard.items() if now - heard >= self.settings.silence]:
            self._part(peer, f"silent for {self.settings.silence:.0f} seconds")
        for close in self.scheduler.overdue():
            self._part(close.peer, close.reason)
        self.gatherer.look(self.settings.upload_patience)
        if now - self._beat >= self.settings.silence / 3:
            self._beat = now
            self._effects += (Send(peer, m.Heartbeat()) for peer in self.peers)

    # what they say

    def _said(self, event: e.Said) -> None:
        who = self.peers.get(event.peer)
        if who is None:
            return  # said before it heard that we have parted
        self.heard[event.peer] = self.scheduler.now
        message, kind = event.message, type(event.message)
        if kind is m.Heartbeat:
            return
        if type(who) is Worker:
            self._worker_said(who, message, event.body)
        elif type(who) is Client and kind in self._of_clients:
            self._of_clients[kind](who, message, event.body)
        elif who == "admin" and type(message) in self._of_admins:
            self._effects.append(Send(event.peer, m.Done(self._of_admins[type(message)](message))))
            if isinstance(message, m.StopBroker):
                self._effects.append(e.Stop("an admin stopped the broker"))
        elif isinstance(message, m.GetStatus):
            self._effects.append(Send(event.peer, self.status()))
        elif isinstance(message, m.GetJobs):
            self._effects.append(
                Send(event.peer, overview.jobs(self, self.scheduler.now, message.limit, message.state))
            )
        else:
            self._part(event.peer, f"said what it may not: {type(message).__name__}")

    def _worker_said(self, worker: Worker, message: m.AnyMessage, body: bytes) -> None:
        if isinstance(message, _OF_ATTEMPTS):
            attempt = worker.attempts.get(message.attempt)
            if attempt is None:
                return  # it was given up, or is another worker's
            if isinstance(message, m.Ended):
                self.scheduler.finished(attempt, body)
            elif isinstance(message, m.Started):
                self.scheduler.started(attempt)
            elif isinstance(message, m.Broken):
                self.scheduler.broken(attempt, message.reason)
            else:
                self.scheduler.given_back(attempt)
        elif isinstance(message, m.Holding):
            self.scheduler.pool.hold(worker, message.added, message.removed)
        elif isinstance(message, m.Draining):
            self.scheduler.drain(worker)
        else:
            self._part(worker.peer, f"said what it may not: {type(message).__name__}")

    def _submit(self, client: Client, message: m.Submit, body: bytes) -> None:
        if message.sequence in client.jobs:
            self._part(client.peer, f"offered job {message.sequence} twice")
            return
        wanted = Requirements(message.slots, message.memory, frozenset(message.labels))
        if len(client.jobs) >= self.settings.jobs:
            refused = f"more than {self.settings.jobs} unfinished jobs"
        elif wanted not in client.wanted and len(client.wanted) >= self.settings.shapes:
            refused = f"more than {self.settings.shapes} different requirements among the unfinished jobs"
        else:
            job = self.scheduler.submit(client, message, wanted, body)
            self.gatherer.start(job)
            if client.states:
                gathered = bool(self.gatherer.ready and self.gatherer.ready[-1] is job)
                self._effects.append(Send(client.peer, m.State(job.sequence, "queued" if gathered else "artifacts")))
            return
        self.scheduler.counts["failed"] += 1
        self._effects.append(Send(client.peer, m.Failed(message.sequence, refused)))

    def _cancel(self, client: Client, message: m.Cancel, _body: bytes) -> None:
        job = client.jobs.get(message.sequence)
        if job is not None:  # else its result is on the way
            self.scheduler.cancel(job)

    def _no_artifact(self, client: Client, message: m.NoArtifact, _body: bytes) -> None:
        self.gatherer.refused(message.digest, client.peer, message.reason)

    def status(self) -> m.Status:
        """Return what is in hand now."""
        return overview.status(self, self.scheduler.now)
