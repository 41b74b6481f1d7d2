"""Somebody who reads all that the broker hears and says, and holds it to what was promised; its inside is unknown.

What a worker runs, and what waits there, is reckoned here anew, by the rule that workers have; what each attempt came
to, how often a job was lost, who was told what, when somebody spoke last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from maelstrom_broker import effects as e
from maelstrom_broker.records import Peer, Settings
from maelstrom_core import messages as m


@dataclass(eq=False)
class Seen:
    """A job that was submitted and not reported."""

    client: Peer
    message: m.Submit
    body: bytes
    at: int
    """The number of the event by which it came."""
    attempt: Try | None = None
    losses: int = 0
    """Attempts that count."""
    broke: set[Peer] = field(default_factory=set)
    """Workers that said they could not run it, while there were others."""
    outcome: bytes | None = None
    cancelled: bool = False
    told: str = ""


@dataclass(eq=False)
class Try:
    """An attempt that its worker was given, and has not answered for."""

    number: int
    slots: int
    job: Seen | None
    started: bool = False
    recalled: bool = False
    stopped: float | None = None


@dataclass(eq=False)
class At:
    """A worker."""

    offer: m.Offer
    tries: dict[int, Try] = field(default_factory=dict)
    draining: bool = False

    def ahead(self) -> list[Try]:
        """Those that wait, since slots are taken by those before them."""
        used, waiting = 0, list[Try]()
        for each in self.tries.values():
            if not waiting and used + each.slots <= self.offer.slots:
                used += each.slots
            else:
                waiting.append(each)
        return waiting

    def fits(self, message: m.Submit) -> bool:
        return (
            message.slots <= self.offer.slots
            and message.memory <= self.offer.memory
            and set(message.labels) <= set(self.offer.labels)
        )


class Watch:
    """Of one life of a broker. `contents` are those of manifests, `stored` what its store has."""

    def __init__(self, settings: Settings, contents: Mapping[str, tuple[str, ...]], stored: Mapping[str, None]) -> None:
        self.settings = settings
        self.contents, self.stored = contents, stored
        self.workers: dict[Peer, At] = {}
        self.clients: dict[Peer, dict[int, Seen]] = {}
        self.states: set[Peer] = set()
        self.heard: dict[Peer, float] = {}
        self.beats: dict[Peer, float] = {}
        self.refusals: dict[tuple[Peer, str], int] = {}
        self.last = self.count = 0
        self.now = 0.0

    # what the broker hears

    def hear(self, event: e.Event, now: float) -> None:
        self.now = now
        self.count += 1
        match event:
            case e.Connected(peer, hello):
                self.heard[peer] = self.beats[peer] = now
                if hello.offer is not None:
                    self.workers[peer] = At(hello.offer)
                elif hello.role == "client":
                    self.clients[peer] = {}
                    if "states" in hello.features:
                        self.states.add(peer)
            case e.Disconnected(peer):
                self.forget(peer)
            case e.NotStored(digest, peer):
                self.refusals[peer, digest] = self.count
            case e.Said(peer, message, body) if peer in self.heard:
                self.heard[peer] = now
                if peer in self.clients:
                    self.client_said(peer, message, body)
                elif peer in self.workers:
                    self.worker_said(peer, message, body)
        self.forgive()

    def client_said(self, peer: Peer, message: m.AnyMessage, body: bytes) -> None:
        jobs = self.clients[peer]
        match message:
            case m.Submit(sequence=sequence):
                jobs[sequence] = Seen(peer, message, body, self.count)
            case m.Cancel(sequence=sequence) if sequence in jobs:
                jobs[sequence].cancelled = True
            case m.NoArtifact(digest=digest):
                self.refusals[peer, digest] = self.count

    def worker_said(self, peer: Peer, message: m.AnyMessage, body: bytes) -> None:
        worker = self.workers[peer]
        match message:
            case m.Draining():
                worker.draining = True
            case m.Started(attempt=number) if number in worker.tries:
                worker.tries[number].started = True
            case (
                m.Ended(attempt=number)
                | m.Broken(attempt=number)
                | m.Stopped(attempt=number)
                | m.Returned(attempt=number)
            ) if number in worker.tries:
                job = worker.tries.pop(number).job
                if job is not None:
                    job.attempt = None
                    if isinstance(message, m.Ended):
                        job.outcome = body
                    elif isinstance(message, m.Broken):
                        job.losses += 1
                        job.broke.add(peer)

    def forget(self, peer: Peer) -> None:
        """Somebody is gone: what a worker ran is lost, what waited there is not."""
        if self.heard.pop(peer, None) is None:
            return
        del self.beats[peer]
        self.states.discard(peer)
        for job in self.clients.pop(peer, {}).values():
            self.end(job)
        worker = self.workers.pop(peer, None)
        if worker is not None:
            waiting = worker.ahead()
            for each in worker.tries.values():
                if each.job is not None:
                    each.job.attempt = None
                    each.job.losses += each.started or each not in waiting

    def end(self, job: Seen) -> None:
        """Nobody wants a job any more."""
        if job.attempt is not None:
            job.attempt.job = None

    def forgive(self) -> None:
        """Where nobody else is there, those may try again that could not run a job.

        Only a job that waits is in need of that: one that is at a worker may end there, or be given back when somebody
        new is there. Were its failures forgiven meanwhile, a worker that has failed it would count as one that has not,
        and the broker, which knows better, would seem to pass it over.
        """
        for job in self.jobs():
            if job.attempt is None and job.broke and not self.others(job):
                job.broke.clear()

    def others(self, job: Seen) -> bool:
        """Whether workers could take a job that have not failed to run it."""
        return any(
            peer not in job.broke and not worker.draining and worker.fits(job.message)
            for peer, worker in self.workers.items()
        )

    def jobs(self) -> Iterator[Seen]:
        return (job for jobs in self.clients.values() for job in jobs.values())

    # what it says

    def told(self, effects: list[e.Effect]) -> list[Seen]:
        """Check what comes of what was heard; return the jobs that were given to workers."""
        given: list[Seen] = []
        for effect in effects:
            match effect:
                case e.Close(peer, reason):
                    self.close(peer, reason)
                case e.Send(peer, m.Run(), body):
                    given.append(self.run(peer, effect.message, body))  # type: ignore[arg-type]
                case e.Send(peer, message, body) if peer in self.workers:
                    self.to_worker(peer, message)
                case e.Send(peer, message, body) if peer in self.clients:
                    self.to_client(peer, message, body)
        return given

    def close(self, peer: Peer, reason: str) -> None:
        if "silent" in reason:
            assert self.now - self.heard[peer] >= self.settings.silence, "it was not silent"
        elif "did not stop" in reason:
            stopped = [each.stopped for each in self.workers[peer].tries.values() if each.stopped is not None]
            assert self.now - min(stopped) >= self.settings.patience, "it had time to stop"
        else:
            assert reason == "connected again", reason
        self.forget(peer)
        self.forgive()  # now: who comes next is not there yet when the broker decides

    def run(self, peer: Peer, message: m.Run, body: bytes) -> Seen:
        worker = self.workers[peer]
        assert not worker.draining, "a worker that drains gets a job"
        job = next((job for job in self.jobs() if job.body == body), None)
        assert job is not None, "a job runs that nobody wants"
        assert job.attempt is None, "a job runs twice at a time"
        assert job.losses < self.settings.attempts, "tried too often"
        assert message.attempt > self.last, "a number of an attempt is used again"
        assert (message.slots, message.layers) == (job.message.slots, job.message.layers)
        assert worker.fits(job.message), "it cannot run there"
        assert peer not in job.broke or not self.others(job), "it could not run there before, and others are there"
        for artifact in message.layers:
            named = self.contents[artifact.digest] if artifact.manifest else ()
            assert all(digest in self.stored for digest in (artifact.digest, *named)), "its layers are not there"
        self.last = message.attempt
        job.attempt = worker.tries[message.attempt] = Try(message.attempt, message.slots, job)
        waiting = worker.ahead()
        if job.attempt in waiting:
            assert len(waiting) <= min(self.settings.look_ahead, worker.offer.slots), "too many wait there"
            assert message.slots == 1
            assert not job.message.memory
        assert self.memory(worker) <= worker.offer.memory, "too little memory"
        return job

    def memory(self, worker: At) -> int:
        """What the jobs require that have slots; of those that are to stop it is not known any more."""
        return sum(each.job.message.memory for each in worker.tries.values() if each.job is not None)

    def to_worker(self, peer: Peer, message: m.AnyMessage) -> None:
        tries = self.workers[peer].tries
        match message:
            case m.Stop(attempt=number):
                assert tries[number].stopped is None, "stopped twice"
                assert tries[number].job is None or self.doomed(tries[number].job), "stopped, and somebody wants it"
                tries[number].stopped = self.now
            case m.Recall(attempt=number):
                assert not tries[number].recalled, "recalled twice"
                tries[number].recalled = True
            case m.Heartbeat():
                self.beats[peer] = self.now
            case _:
                raise AssertionError(message)

    @staticmethod
    def doomed(job: Seen | None) -> bool:
        """Whether the client is about to hear that a job is cancelled."""
        return job is None or job.cancelled

    def to_client(self, peer: Peer, message: m.AnyMessage, body: bytes) -> None:
        jobs = self.clients[peer]
        match message:
            case m.Finished(sequence=sequence, attempt=attempt):
                job = jobs.pop(sequence)
                assert job.outcome is not None, "finished, and nobody said so"
                assert body == job.outcome
                assert attempt == job.losses + 1, "attempts are miscounted"
                assert job.told in {"running", ""}, "it was not told that it runs"
            case m.Failed(sequence=sequence, reason=reason, attempts=attempts):
                job = jobs.pop(sequence)
                assert len(attempts) == job.losses, "attempts are miscounted"
                if reason.startswith("failed to get artifact "):
                    refused = self.refusals.get((peer, reason.split()[4].rstrip(":")), -1)
                    assert refused > job.at, "a client was not asked"
                elif not reason.startswith("failed to read manifest "):
                    assert job.losses == self.settings.attempts, "given up too early"
                self.end(job)
            case m.Cancelled(sequence=sequence):
                job = jobs.pop(sequence)
                assert job.cancelled, "cancelled by nobody"
                self.end(job)
            case m.State(sequence=sequence, state=state):
                job = jobs[sequence]
                assert (job.attempt is not None) == (state in {"assigned", "running"}), "told wrong"
                assert state != "running" or (job.attempt is not None and job.attempt.started), "told too early"
                job.told = state
            case m.Heartbeat():
                self.beats[peer] = self.now

    def settled(self, *, tick: bool) -> None:
        """Check that what had to be said was said."""
        for job in self.jobs():
            assert job.outcome is None, "a result is kept back"
            assert not job.cancelled, "a job is not cancelled"
        for worker in self.workers.values():
            for each in worker.tries.values():
                assert each.job is not None or each.stopped is not None, "it runs, and nobody wants it"
            if worker.draining:
                left = [
                    each for each in worker.ahead() if not (each.recalled or each.started or each.stopped is not None)
                ]
                assert not left, "it waits at a worker that drains"
        if tick:
            late = [peer for peer, heard in self.heard.items() if self.now - heard >= self.settings.silence]
            assert not late, "somebody is silent"
            for worker in self.workers.values():
                since = [each.stopped for each in worker.tries.values() if each.stopped is not None]
                assert all(self.now - stopped < self.settings.patience for stopped in since), "it does not stop"
            for beat in self.beats.values():
                assert self.now - beat < self.settings.silence * 2 / 3 + 1, "somebody hears no heartbeat"
