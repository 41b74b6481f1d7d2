"""Simulated workers and clients: they do what real ones must, and check that the broker does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from maelstrom_core import messages as m
from maelstrom_core.job import Cancelled, Effects, Exited, Outcome, Output, SystemFailure
from maelstrom_core.travel import pack_outcome
from maelstrom_core.wire import Closed, Connection, Received
from maelstrom_worker.attempts import Attempts, Drained, Effect, Fetch, Forget, Key, Kill, Launch, Say
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
    """The machine of a real worker, whose layers come, and whose jobs end, when chance wants it.

    The body of a job says what becomes of it.
    """

    def __init__(self, world: World, hello: m.Hello) -> None:
        super().__init__(world, hello)
        assert hello.offer is not None
        self.offer = hello.offer
        self.flawed = world.random.random() < 0.1
        """Whether it fails to run what it should."""
        self.slow = world.random.random() < 0.3
        """Whether it takes long to get layers."""
        self.restart()

    def restart(self) -> None:
        """Be a new process."""
        self.life = self.world.new_number()
        self.attempts = Attempts(self.offer.slots)
        self.tasks: dict[Key, bytes] = {}
        self.stuck = False
        """Whether a job cannot be killed."""

    def lost(self) -> None:
        self.apply(self.attempts.lost())
        if self.stuck:
            self.restart()

    def connected(self) -> None:
        if self.attempts.draining:
            self.say(m.Draining())

    def told(self, message: m.AnyMessage, body: bytes) -> None:
        match message:
            case m.Run():
                effects = self.attempts.run(message.attempt, message.slots)
                for effect in effects:
                    if isinstance(effect, Fetch):
                        self.tasks[effect.key] = body
                self.apply(effects)
            case m.Recall():
                self.apply(self.attempts.recall(message.attempt))
            case m.Stop():
                self.apply(self.attempts.stop(message.attempt))

    def apply(self, effects: list[Effect]) -> None:
        self.attempts.validate()
        random = self.world.random
        for effect in effects:
            match effect:
                case Say(message, body):
                    self.say(message, body)
                case Fetch(key):
                    error = "no space left" if random.random() < 0.01 else None
                    delay = random.random() * 3 if self.slow else 0.0
                    self.at(delay, lambda key=key, error=error: self.fetched(key, error))
                case Launch(key):
                    self.launch(key, self.tasks[key])
                case Kill(key):
                    if random.random() < 0.05:
                        self.stuck = True
                    else:
                        self.at(0.1, lambda key=key: self.end_of(key, Cancelled()))
                case Forget(key):
                    del self.tasks[key]
                case Drained():
                    self.die()

    def at(self, delay: float, action: Callable[[], None]) -> None:
        life = self.life
        self.world.clock.after(delay, lambda: self.retry(life, action))

    def retry(self, life: int, action: Callable[[], None]) -> None:
        if self.dead or life != self.life:
            return
        if self.frozen:
            self.at(1, action)
        else:
            action()

    def fetched(self, key: Key, error: str | None) -> None:
        self.apply(self.attempts.fetched(key, error))

    def launch(self, key: Key, body: bytes) -> None:
        self.world.ran(body)
        known = self.world.jobs[body]
        if known.kind == "poison":
            self.at(0.5, lambda: self.crash(key))
        elif known.kind == "broken" or (self.flawed and self.world.random.random() < 0.5):
            self.at(0.2, lambda: self.end_of(key, SystemFailure("no space left")))
        else:
            self.at(known.length, lambda: self.end_of(key, outcome_of(body)))

    def end_of(self, key: Key, outcome: Outcome) -> None:
        if key in self.tasks:
            self.apply(self.attempts.ended(key, outcome))

    def crash(self, key: Key) -> None:
        if key in self.tasks:
            self.restart()
            self.drop()
            self.world.clock.after(1, self.connect)

    def drain(self) -> None:
        self.at(0, lambda: self.apply(self.attempts.drain()))


def outcome_of(body: bytes) -> Exited:
    """What comes of a job: it prints its own body."""
    return Exited(0, Effects(stdout=Output(body)))


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
                assert body == pack_outcome(outcome_of(own)), "another job's result"
                assert job.runs > 0, "a result of what never ran"
                assert job.kind == "plain"
                assert message.attempt <= bound
            case m.Failed():
                assert len(message.attempts) == bound or "artifact" in message.reason or "manifest" in message.reason
            case m.Cancelled():
                assert message.sequence in self.cancelled, "cancelled by nobody"
