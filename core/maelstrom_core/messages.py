"""What brokers, workers, clients and those who watch say to each other: docs/protocol.md.

Shapes only; `wire` frames them, checks the order, and bounds the sizes. Whatever a field may hold is bounded here, so
what has been decoded can be stored and sent on. What a job is, and what came of it, are bodies, which the broker
carries and does not read. Imports nothing of the project.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PROTOCOL = 1
"""The version; both sides must speak the same."""

Role = Literal["client", "worker", "monitor", "admin", "artifacts", "broker"]
"""Connections of the role `artifacts` speak otherwise once they have greeted: `artifact_wire`."""

StateName = Literal["artifacts", "queued", "assigned", "running"]

DigestText = Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")]
Label = Annotated[str, Meta(min_length=1, max_length=128)]
Labels = Annotated[tuple[Label, ...], Meta(max_length=32)]
Name = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=8192)]
Number = Annotated[int, Meta(ge=0, lt=1 << 53)]
"""What every JSON library holds exactly."""
Slots = Annotated[int, Meta(ge=1, le=1000)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Layers = Annotated[tuple["Artifact", ...], Meta(max_length=128)]
Digests = Annotated[tuple[DigestText, ...], Meta(max_length=1024)]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of all messages but the first. They hold plain values, so the garbage collector need not look at them."""


class Artifact(msgspec.Struct, frozen=True, array_like=True, cache_hash=True, gc=False):
    """Content by its digest; a manifest names further content that belongs to it."""

    digest: DigestText
    manifest: bool = False


# the first frame, and the last; other versions have other fields, so unknown ones are passed over


class Offer(msgspec.Struct, frozen=True):
    """What a worker has."""

    slots: Slots
    memory: Number = 0
    """Bytes that jobs may require; 0 means that jobs which require memory do not run here."""
    labels: Labels = ()


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first frame of each side."""

    protocol: Number
    role: Role
    token: Name = ""
    name: Name = ""
    """Of a client: what makes its jobs' ids its own, the same whenever it connects. Of the others: for people."""
    features: Annotated[tuple[Label, ...], Meta(max_length=64)] = ()
    """What this side can do beyond this version of the protocol; unknown ones mean nothing."""
    offer: Offer | None = None
    """Of workers."""


class Goodbye(msgspec.Struct, frozen=True, tag="goodbye"):
    """The last frame of a side that closes the connection; also in place of the first, where it refuses one."""

    reason: Text


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """Still here. Sent by both sides when they have said nothing else for a while."""


# client to broker


class Submit(Message, frozen=True, tag="submit"):
    """A job; the body is what the worker needs to run it."""

    sequence: Number
    """The job's number among its client's: new ones only, or those that were unfinished when the connection broke."""
    layers: Layers = ()
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    estimate: Seconds | None = None
    """How long it may take; None, unknown, counts as longest."""
    slots: Slots = 1
    memory: Number = 0
    """Bytes that it requires of its worker."""
    labels: Labels = ()
    """Those that its worker must have."""


class Cancel(Message, frozen=True, tag="cancel"):
    """The client has no more use for a job. It is told `Cancelled`, or the result if there is one already."""

    sequence: Number


class NoArtifact(Message, frozen=True, tag="no-artifact"):
    """The client cannot give what it was asked for."""

    digest: DigestText
    reason: Text


# broker to client


class WantArtifact(Message, frozen=True, tag="want-artifact"):
    """A job of the client's needs this content, and the broker has it not: upload it."""

    digest: DigestText


class State(Message, frozen=True, tag="state"):
    """Where a job is now; only to clients with the feature `states`."""

    sequence: Number
    state: StateName
    worker: Name = ""


class Lacking(Message, frozen=True, tag="lacking"):
    """No worker that is connected could run this job, nor others that require the same; it waits for one.

    Only to clients with the feature `states`, and once for such jobs as long as none comes.
    """

    sequence: Number
    reason: Text


class Finished(Message, frozen=True, tag="finished"):
    """The job ran; the body is its outcome."""

    sequence: Number
    worker: Name = ""
    attempt: Annotated[int, Meta(ge=1, le=1000)] = 1


class LostAttempt(msgspec.Struct, frozen=True, array_like=True):
    """One attempt that came to nothing by no fault of the job's."""

    worker: Name
    reason: Text


class Failed(Message, frozen=True, tag="failed"):
    """The job could not be run, by no fault of its own; what is known of each attempt."""

    sequence: Number
    reason: Text
    attempts: Annotated[tuple[LostAttempt, ...], Meta(max_length=1000)] = ()


class Cancelled(Message, frozen=True, tag="cancelled"):
    """The job will not run, or what comes of it will not be told."""

    sequence: Number
    reason: Text = ""
    """Where it was not its client who wanted that."""


# broker to worker


class Run(Message, frozen=True, tag="run"):
    """Run this when its slots are free: in the order in which it comes. The body is that of `Submit`."""

    attempt: Number
    slots: Slots = 1
    layers: Layers = ()


class Stop(Message, frozen=True, tag="stop"):
    """Kill it, or do not begin it; answered by `Stopped`, unless an end has been told already."""

    attempt: Number


class Recall(Message, frozen=True, tag="recall"):
    """Give it back if it has not begun: `Returned`. If it has, there is nothing to say."""

    attempt: Number


# worker to broker


class Started(Message, frozen=True, tag="started"):
    """The attempt's process is about to be made."""

    attempt: Number


class Ended(Message, frozen=True, tag="ended"):
    """It ran; the body is its outcome."""

    attempt: Number


class Broken(Message, frozen=True, tag="broken"):
    """The worker could not run it, by no fault of the job's."""

    attempt: Number
    reason: Text


class Stopped(Message, frozen=True, tag="stopped"):
    """Nothing of it is left; the answer to `Stop`."""

    attempt: Number


class Returned(Message, frozen=True, tag="returned"):
    """It has not begun here and will not; the answer to `Recall`, and of a worker that drains."""

    attempt: Number


class Draining(Message, frozen=True, tag="draining"):
    """Give me no more: I end what runs, and then go."""


class Holding(Message, frozen=True, tag="holding"):
    """Which artifacts came to be in the worker's cache, and which are there no more."""

    added: Digests = ()
    removed: Digests = ()


# those who watch


class GetStatus(Message, frozen=True, tag="get-status"):
    """Answered by `Status`."""


class GetJobs(Message, frozen=True, tag="get-jobs"):
    """Answered by `Jobs`: those that run first, then those at workers, those that wait, those without artifacts."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    state: StateName | None = None
    """Those in this state only."""


class Drain(Message, frozen=True, tag="drain"):
    """Let the workers of this name get no more jobs; answered by `Done`. Admins only, as are those that follow."""

    worker: Name
    """Empty means all that are there."""


class CancelJob(Message, frozen=True, tag="cancel-job"):
    """Cancel a job of a client, or all of them; answered by `Done`."""

    client: Number
    """The number of its connection, as `Status` and `Jobs` have it."""
    sequence: Number | None = None


class StopBroker(Message, frozen=True, tag="stop-broker"):
    """Part with everybody, and end; answered by `Done` before."""


class Done(Message, frozen=True, tag="done"):
    """How many workers or jobs that did concern."""

    count: Number


class WorkerStatus(msgspec.Struct, frozen=True):
    """One worker: slots are those of jobs that run; `ahead` are jobs that wait there."""

    name: Name
    slots: int
    used: int
    ahead: int
    draining: bool
    ended: int = 0
    """Jobs of which it has told the outcome."""
    seconds: float = 0.0
    """How long it is connected."""
    peer: int = 0
    """The number of its connection."""


class ClientStatus(msgspec.Struct, frozen=True):
    """One client: how many unfinished jobs it has, and how many slots they have."""

    peer: int
    name: Name
    """The first characters only: whoever has all can take its place."""
    jobs: int
    used: int
    seconds: float


class Status(Message, frozen=True, tag="status", omit_defaults=False):
    """What the broker has in hand now, and how many jobs have ended since it started."""

    clients: int
    artifacts: int
    queued: int
    running: int
    finished: int
    failed: int
    cancelled: int
    workers: tuple[WorkerStatus, ...] = ()
    """The first 2000 of them, as are those of clients."""
    connected: tuple[ClientStatus, ...] = ()
    """The clients."""
    total_workers: int = 0
    slots: int = 0
    """Of all workers that do not drain."""
    used: int = 0
    """Of all workers."""
    seconds: float = 0.0
    """How long the broker runs."""
    lacking: tuple[tuple[str, int], ...] = ()
    """What queued jobs require that no worker has, and how many such jobs there are; the first 10."""


class JobStatus(msgspec.Struct, frozen=True):
    """One unfinished job."""

    client: int
    sequence: int
    state: StateName
    worker: Name
    seconds: float
    """How long it is in this state."""
    slots: int
    priority: int
    lost: int
    """Attempts that came to nothing."""
    waits: str = ""
    """What of its requirements no worker has, of a job that is queued; empty where one has all."""


class Jobs(Message, frozen=True, tag="jobs", omit_defaults=False):
    """Some of the unfinished jobs, and how many there are."""

    total: int
    jobs: tuple[JobStatus, ...] = ()


FromClient = Submit | Cancel | NoArtifact | Heartbeat | Goodbye
ToClient = Finished | Failed | Cancelled | State | Lacking | WantArtifact | Heartbeat | Goodbye
FromWorker = Ended | Started | Returned | Stopped | Broken | Holding | Draining | Heartbeat | Goodbye
ToWorker = Run | Stop | Recall | Heartbeat | Goodbye
FromMonitor = GetStatus | GetJobs | Heartbeat | Goodbye
FromAdmin = GetStatus | GetJobs | Drain | CancelJob | StopBroker | Heartbeat | Goodbye
ToMonitor = Status | Jobs | Heartbeat | Goodbye
ToAdmin = Status | Jobs | Done | Heartbeat | Goodbye

AnyMessage = Message | Goodbye
WITH_BODY: frozenset[type] = frozenset({Submit, Run, Ended, Finished})
