"""What the broker keeps of clients, workers, jobs and attempts while they are there.

Plain mutable records of the scheduler's; only it and the queues of a `Shape` change them. Imports nothing of the
project but the messages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NewType

import msgspec

from maelstrom_core.messages import Layers as Artifacts
from maelstrom_core.messages import LostAttempt

if TYPE_CHECKING:
    from maelstrom_broker.shape import Line, Shape

_UNKNOWN = 1 << 20
_SHORTEST = 2.0**-20
"""Seconds; what takes less is as short."""

Peer = NewType("Peer", int)
"""The number of a connection, never used again: whoever comes back is somebody new."""

Key = tuple[str, int]
"""The name of a job: its client's id, its sequence number there."""

JobState = Literal["artifacts", "queued", "assigned", "gone"]


def length_class(seconds: float | None) -> int:
    """Return a number that is greater for what takes a quarter longer, and greatest where nothing is known."""
    if seconds is None:
        return _UNKNOWN
    fraction, exponent = math.frexp(max(_SHORTEST, seconds))
    return 4 * exponent + int(8 * fraction)  # four for each doubling: a fraction is at least a half, and below one


class Settings(msgspec.Struct, frozen=True):
    """The numbers of the scheduler; times in seconds."""

    attempts: int = 3
    """How often a job is tried, where it fails by no fault of its own."""
    look_ahead: int = 32
    """Jobs that wait at a worker for a slot, at most; never more than it has slots."""
    silence: float = 30.0
    """Who says nothing for so long is taken for dead; everybody sends a heartbeat every third of it."""
    patience: float = 20.0
    """How long a worker may take to kill what is to be stopped."""
    upload_patience: float = 5.0
    """How long a client that was asked for artifacts may give none before others are asked as well."""
    jobs: int = 2_000_000
    """Of one client, at most."""
    shapes: int = 64
    """Different requirements among the unfinished jobs of one client, at most."""


class Requirements(msgspec.Struct, frozen=True, cache_hash=True):
    """What a job wants of its worker. Jobs with equal ones wait in one place."""

    slots: int = 1
    memory: int = 0
    labels: frozenset[str] = frozenset()
    avoid: frozenset[Peer] = frozenset()
    """Workers that could not run it."""

    @property
    def plain(self) -> bool:
        """Whether a free slot is all that it takes; others never wait at a worker."""
        return self.slots == 1 and self.memory == 0


@dataclass(slots=True, eq=False)
class Client:
    """One connection of a client."""

    peer: Peer
    name: str
    states: bool
    """Whether it wants to be told where its jobs are."""
    jobs: dict[int, Job] = field(default_factory=dict)
    lines: dict[Shape, Line] = field(default_factory=dict)
    """Where jobs of it wait."""
    wanted: dict[Requirements, int] = field(default_factory=dict)
    """How many of its jobs have these requirements."""
    used: int = 0
    """Slots of its jobs that are at workers: who has fewest is served first."""
    served: int = 0
    """When it was served last, in turns."""
    since: float = 0.0
    """When it connected."""


@dataclass(slots=True, eq=False)
class Worker:
    """One connection of a worker."""

    peer: Peer
    name: str
    slots: int
    memory: int
    labels: frozenset[str]
    look_ahead: int
    used: int = 0
    memory_used: int = 0
    attempts: dict[int, Attempt] = field(default_factory=dict)
    ahead: dict[int, Attempt] = field(default_factory=dict)
    """Those of them that wait for a slot there, in order."""
    layers: dict[str, None] = field(default_factory=dict)
    """What it holds, or will when it has begun what it was given."""
    shapes: dict[Shape, None] = field(default_factory=dict)
    """Those whose jobs can run here."""
    reserved: Shape | None = None
    """Whose next job needs more than is free: nothing else is begun here until it has it."""
    expecting: int = 0
    """Recalls from others on its behalf that are not answered."""
    draining: bool = False
    gone: bool = False
    version: int = 0
    """Grows whenever its place in the indices changes."""
    ended: int = 0
    """Jobs of which it has told the outcome."""
    since: float = 0.0
    """When it connected."""

    def fits(self, wanted: Requirements) -> bool:
        """Tell whether such a job can run here when nothing else does."""
        return (
            wanted.slots <= self.slots
            and wanted.memory <= self.memory
            and wanted.labels <= self.labels
            and self.peer not in wanted.avoid
        )

    def has_room(self, wanted: Requirements) -> bool:
        """Tell whether such a job could begin now."""
        return (
            self.used + wanted.slots <= self.slots
            and self.memory_used + wanted.memory <= self.memory
            and not self.ahead
        )

    @property
    def load(self) -> float:
        """Slots used and waited for, to those it has."""
        return (self.used + len(self.ahead)) / self.slots

    def missing(self, artifacts: Artifacts) -> int:
        """Return how many of these it has to fetch."""
        layers = self.layers
        return sum(1 for artifact in artifacts if artifact.digest not in layers)


class Job(msgspec.Struct, eq=False, gc=False):
    """One job that has not been reported.

    There may be millions: the garbage collector does not look at them, so nothing may be left in a circle with one.
    `Scheduler._withdraw` breaks those that there are.
    """

    client: Client
    sequence: int
    shape: Shape
    priority: int
    estimate: float | None
    length: int
    """The class of its length, see `length_class`."""
    arrival: int
    artifacts: Artifacts
    payload: bytes
    state: JobState = "artifacts"
    ticket: int = 0
    """Of its entry in a queue: others are left over. Grows whenever it begins to wait, and when it ends."""
    passed: int = 0
    """How often another one was taken because its layers were there."""
    attempt: Attempt | None = None
    lost: tuple[LostAttempt, ...] = ()
    since: float = 0.0
    """When its state became what it is, beginning of its attempt included."""

    @property
    def key(self) -> Key:
        """Its name."""
        return self.client.name, self.sequence

    @property
    def rank(self) -> tuple[int, int, int]:
        """Its place among the jobs of its client, lowest first: priority, then about the longest, then as they came."""
        return -self.priority, -self.length, self.arrival


class Attempt(msgspec.Struct, eq=False):
    """A job at a worker."""

    number: int
    worker: Worker
    client: Client
    wanted: Requirements
    shape: Shape
    job: Job | None
    """None when it has been reported, and is only to be stopped."""
    started: bool = False
    recalled_for: Worker | None = None
    stopping: float | None = None
