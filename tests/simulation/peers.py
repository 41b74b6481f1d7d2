"""Simulated workers and clients: they do what real ones must, and check that the broker does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maelstrom_core import messages as m
from maelstrom_core.wire import Closed, Connection, Received
from tests.simulation.link import End

if TYPE_CHECKING:
    from tests.simulation.world import World


class Peer:
    """Somebody who is connected, loses the connection, and connects again."""

    def __init__(self, world: World, hello: m.Hello) -> None:
        self.world = world
        self.hello = hello
        self.end: End | None = None
        self.dead = False
        self.frozen = False
        """As by SIGSTOP: neither hears nor says anything."""
        self.generation = 0

    def connect(self) -> None:
        """Connect, unless it is."""
        if self.dead or self.end is not None:
            return
        if self.frozen:
            self.world.clock.after(1, self.connect)
            return
        self.generation += 1
        self.end = self.world.accept(Connection(self.hello.role))
        generation = self.generation
        self.end.heard = lambda: self.hear(generation)
        self.end.connection.greet(self.hello)
        self.end.flush()
        self.connected()

    def connected(self) -> None:
        """Say what is to be said in a new connection, or has not been said for a while."""

    def say(self, message: m.AnyMessage, body: bytes = b"") -> None:
        if self.end is not None and not self.frozen:
            self.end.connection.send(message, body)
            self.end.flush()

    def hear(self, generation: int) -> None:
        if generation != self.generation or self.end is None or self.frozen:
            return
        for event in self.end.connection.events():
            if isinstance(event, Closed):
                assert not event.fault, event.reason
                self.drop()
                self.world.clock.after(self.world.random.uniform(0.1, 3), self.connect)
                return
            if isinstance(event, Received):
                self.told(event.message, event.body)

    def told(self, message: m.AnyMessage, body: bytes) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        """Lose the connection, and with it what belongs to it."""
        if self.end is not None:
            self.end.hang_up()
            self.end = None
            self.generation += 1
            self.lost()

    def lost(self) -> None:
        raise NotImplementedError

    def cut(self) -> None:
        """The cable is cut: nobody is told; this side notices after a while, the broker by the silence."""
        if self.end is not None:
            self.end.broken = self.end.other.broken = True
            generation = self.generation

            def notice() -> None:
                if generation == self.generation:
                    self.drop()
                    self.connect()

            self.world.clock.after(self.world.random.uniform(1, 25), notice)

    def freeze(self) -> None:
        self.frozen = True

        def thaw() -> None:
            self.frozen = False
            self.hear(self.generation)
            if self.end is not None:
                self.connected()

        self.world.clock.after(self.world.random.uniform(1, 25), thaw)

    def die(self) -> None:
        """As by SIGKILL: the kernel closes the connection."""
        self.frozen = False
        self.drop()
        self.dead = True

    def beat(self) -> None:
        """Say that it is here."""
        self.say(m.Heartbeat())


class SimulatedWorker(Peer):
    """Runs what it is given, in order, when slots are free; the body of a job says what becomes of it."""

    def __init__(self, world: World, hello: m.Hello) -> None:
        super().__init__(world, hello)
        assert hello.offer is not None
        self.offer = hello.offer
        self.queue: list[tuple[m.Run, bytes]] = []
        self.running: dict[int, tuple[m.Run, bytes]] = {}
        self.flawed = world.random.random() < 0.1
        """Whether it fails to run what it should."""
        self.draining = False

    def lost(self) -> None:
        self.queue.clear()
        self.running.clear()

    def connected(self) -> None:
        if self.draining and not self.queue and not self.running:
            self.die()

    def told(self, message: m.AnyMessage, body: bytes) -> None:
        match message:
            case m.Run():
                plain = message.slots == 1
                used = sum(run.slots for run, _ in self.running.values())
                assert plain or (not self.queue and used + message.slots <= self.offer.slots), "over-committed"
                assert len(self.queue) < self.offer.slots + 1, "too many jobs ahead"
                self.queue.append((message, body))
                self.begin()
            case m.Recall():
                if any(run.attempt == message.attempt for run, _ in self.queue):
                    self.queue = [each for each in self.queue if each[0].attempt != message.attempt]
                    self.say(m.Returned(message.attempt))
                    self.begin()
            case m.Stop():
                if any(run.attempt == message.attempt for run, _ in self.queue):
                    self.queue = [each for each in self.queue if each[0].attempt != message.attempt]
                    self.say(m.Stopped(message.attempt))
                    self.begin()
                elif message.attempt in self.running:
                    never = self.world.random.random() < 0.05
                    self.at(10_000 if never else 0.1, lambda: self.end_of(message.attempt, m.Stopped(message.attempt)))

    def at(self, delay: float, action: object) -> None:
        generation = self.generation
        self.world.clock.after(delay, lambda: self.retry(generation, action))

    def retry(self, generation: int, action: object) -> None:
        if generation != self.generation:
            return
        if self.frozen:
            self.at(1, action)
        else:
            action()  # type: ignore[operator]

    def begin(self) -> None:
        while self.queue:
            run, body = self.queue[0]
            if run.slots + sum(each.slots for each, _ in self.running.values()) > self.offer.slots:
                return
            del self.queue[0]
            self.running[run.attempt] = run, body
            self.say(m.Started(run.attempt))
            self.world.ran(body)
            kind = self.world.jobs[body].kind
            if kind == "poison":
                self.at(0.5, self.crash)
            elif kind == "broken" or (self.flawed and self.world.random.random() < 0.5):
                self.at(0.2, lambda run=run: self.end_of(run.attempt, m.Broken(run.attempt, "no space left")))
            else:
                length = self.world.jobs[body].length
                self.at(length, lambda run=run: self.end_of(run.attempt, m.Ended(run.attempt)))

    def end_of(self, attempt: int, message: m.AnyMessage) -> None:
        held = self.running.pop(attempt, None)
        if held is not None:
            self.say(message, held[1] if isinstance(message, m.Ended) else b"")
            self.begin()
            if self.draining and not self.running and not self.queue:
                self.die()

    def crash(self) -> None:
        self.drop()
        self.world.clock.after(1, self.connect)

    def drain(self) -> None:
        self.draining = True
        self.say(m.Draining())
        if not self.running and not self.queue:
            self.die()


class SimulatedClient(Peer):
    """Has jobs, offers those again that are unfinished, and wants to be told once of each what came of it."""

    def __init__(self, world: World, hello: m.Hello) -> None:
        super().__init__(world, hello)
        self.unfinished: dict[int, tuple[m.Submit, bytes]] = {}
        self.offered: set[int] = set()
        """In this connection, without an answer."""
        self.cancelled: set[int] = set()
        self.reported: set[int] = set()

    def connected(self) -> None:
        for sequence, (message, body) in self.unfinished.items():
            if sequence not in self.offered:
                self.offered.add(sequence)
                self.say(message, body)

    def lost(self) -> None:
        self.offered.clear()

    def submit(self, message: m.Submit, body: bytes) -> None:
        self.unfinished[message.sequence] = message, body
        if self.end is not None and not self.frozen:
            self.offered.add(message.sequence)
            self.say(message, body)

    def cancel(self) -> None:
        if self.offered and self.end is not None and not self.frozen:
            sequence = self.world.random.choice(sorted(self.offered))
            self.cancelled.add(sequence)
            self.say(m.Cancel(sequence))

    def told(self, message: m.AnyMessage, body: bytes) -> None:
        match message:
            case m.WantArtifact():
                self.world.wanted(self, message.digest)
            case m.State():
                assert message.sequence in self.offered, "told of a job that has ended"
            case m.Finished() | m.Failed() | m.Cancelled():
                assert message.sequence in self.offered, "reported twice, or never offered"
                sequence = message.sequence
                self.offered.remove(sequence)
                own = self.unfinished.pop(sequence)[1]
                assert sequence not in self.reported
                self.reported.add(sequence)
                self.check(message, body, own)

    def check(self, message: m.AnyMessage, body: bytes, own: bytes) -> None:
        job = self.world.jobs[own]
        bound = self.world.settings.attempts
        match message:
            case m.Finished():
                assert body == own, "another job's result"
                assert job.runs > 0, "a result of what never ran"
                assert job.kind == "plain"
                assert message.attempt <= bound
            case m.Failed():
                assert len(message.attempts) == bound or "artifact" in message.reason or "manifest" in message.reason
            case m.Cancelled():
                assert message.sequence in self.cancelled, "cancelled by nobody"
