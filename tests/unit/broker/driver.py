"""Drives a broker in tests: short words for events, effects by peer, invariants checked after each event."""

from __future__ import annotations

from maelstrom_broker import effects as e
from maelstrom_broker.broker import Broker
from maelstrom_broker.records import Peer, Settings
from maelstrom_core import messages as m


def digest(number: int) -> str:
    return f"{number:064x}"


def blobs(*numbers: int) -> tuple[m.Artifact, ...]:
    return tuple(m.Artifact(digest(number)) for number in numbers)


def manifests(*numbers: int) -> tuple[m.Artifact, ...]:
    return tuple(m.Artifact(digest(number), manifest=True) for number in numbers)


class Driver:
    """A broker, its clock, and what it said last. Clients are numbered from 1, workers from 101 by convention."""

    def __init__(self, readers: int = 16, remembered: int = 1000, **settings: float) -> None:
        self.broker = Broker(Settings(**settings), readers=readers, remembered=remembered)  # type: ignore[arg-type]
        self.now = 0.0

    def handle(self, event: e.Event) -> list[e.Effect]:
        effects = self.broker.handle(event, self.now)
        self.broker.validate()
        return effects

    def client(self, peer: int, name: str = "", *, states: bool = False) -> list[e.Effect]:
        features = ("states",) if states else ()
        return self.handle(
            e.Connected(Peer(peer), m.Hello(m.PROTOCOL, "client", name=name or f"c{peer}", features=features))
        )

    def worker(self, peer: int, slots: int = 1, memory: int = 0, labels: tuple[str, ...] = ()) -> list[e.Effect]:
        offer = m.Offer(slots, memory, labels)
        return self.handle(e.Connected(Peer(peer), m.Hello(m.PROTOCOL, "worker", name=f"w{peer}", offer=offer)))

    def watcher(self, peer: int, role: m.Role = "monitor") -> list[e.Effect]:
        return self.handle(e.Connected(Peer(peer), m.Hello(m.PROTOCOL, role)))

    def gone(self, peer: int) -> list[e.Effect]:
        return self.handle(e.Disconnected(Peer(peer)))

    def say(self, peer: int, message: m.AnyMessage, body: bytes = b"") -> list[e.Effect]:
        return self.handle(e.Said(Peer(peer), message, body))

    def submit(self, client: int, sequence: int, **fields: object) -> list[e.Effect]:
        """The body of a job is its name, `1.7`."""
        return self.say(client, m.Submit(sequence, **fields), f"{client}.{sequence}".encode())  # type: ignore[arg-type]

    def end(self, worker: int, job: str, body: bytes = b"outcome") -> list[e.Effect]:
        return self.say(worker, m.Ended(self.attempt(job)), body)

    def attempt(self, job: str) -> int:
        """The number of a job's attempt."""
        for worker in self.broker.scheduler.pool.workers.values():
            for number, attempt in worker.attempts.items():
                if attempt.job is not None and attempt.job.payload == job.encode():
                    return number
        raise LookupError(job)

    def stored(self, number: int) -> list[e.Effect]:
        return self.handle(e.Stored(digest(number)))

    def tick(self, seconds: float) -> list[e.Effect]:
        self.now += seconds
        return self.handle(e.Tick())


def runs(effects: list[e.Effect]) -> list[tuple[int, str]]:
    """Which jobs are sent where, `(worker, "client.sequence")`; nothing else may be among the effects."""
    assert all(isinstance(effect, e.Send) and isinstance(effect.message, m.Run) for effect in effects), effects
    return [(effect.peer, effect.body.decode()) for effect in effects if isinstance(effect, e.Send)]


def sent(effects: list[e.Effect], kind: type[m.AnyMessage]) -> list[tuple[int, m.AnyMessage]]:
    """The messages of one kind among the effects."""
    return [
        (effect.peer, effect.message)
        for effect in effects
        if isinstance(effect, e.Send) and isinstance(effect.message, kind)
    ]


def states(effects: list[e.Effect]) -> list[tuple[int, int, str, str]]:
    """What clients are told of where jobs are."""
    return [
        (effect.peer, effect.message.sequence, effect.message.state, effect.message.worker)
        for effect in effects
        if isinstance(effect, e.Send) and isinstance(effect.message, m.State)
    ]
