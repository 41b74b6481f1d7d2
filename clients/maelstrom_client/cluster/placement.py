"""Which jobs run on this machine, and which are offered to the broker: events in, effects out. Pure.

A job that is tied to this machine runs here. Any other one begins here if a slot is free, and is offered to the broker
if not; when a slot becomes free here it takes back the job that was offered last and has not been given to a worker.
That one is withdrawn first, and begins when the broker has let go of it: no job is in two places. What the broker has
in hand is forgotten with the connection: it is offered again, unless a slot here takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from maelstrom_core.messages import StateName
from maelstrom_worker.job_queue import JobId

Place = Literal["describing", "here", "offered", "assigned", "withdrawn", "dropped"]


class RunHere(msgspec.Struct, frozen=True):
    """Run it on this machine: answered by `ended_here`."""

    job: JobId


class Describe(msgspec.Struct, frozen=True):
    """Make what it needs fit for travel: answered by `described` or `stays`."""

    job: JobId


class Offer(msgspec.Struct, frozen=True):
    """Submit it to the broker."""

    job: JobId


class Withdraw(msgspec.Struct, frozen=True):
    """Have the broker cancel it: answered by `let_go`, unless its end comes first."""

    job: JobId


class StopHere(msgspec.Struct, frozen=True):
    """Cancel it on this machine."""

    job: JobId


class Began(msgspec.Struct, frozen=True):
    """A worker has begun with it."""

    job: JobId


class Drop(msgspec.Struct, frozen=True):
    """It is over, and did not run to its end: it was cancelled."""

    job: JobId


Effect = RunHere | Describe | Offer | Withdraw | StopHere | Began | Drop


@dataclass(slots=True)
class _Job:
    identity: JobId
    slots: int
    memory: int
    movable: bool
    """Whether it may run here, as well."""
    place: Place
    running: bool = False


class Placement:
    """The machine. `slots` are those of this machine that may take what could travel, 0 for none; `memory` in bytes."""

    def __init__(self, slots: int, memory: int = 0) -> None:
        self.slots = slots
        self.memory = memory
        self.used = 0
        """Slots of this machine that are taken, or kept for jobs that are being withdrawn."""
        self.memory_used = 0
        """What jobs require that have these slots."""
        self.up = False
        """Whether the broker is there."""
        self.jobs: dict[JobId, _Job] = {}
        self._movable: dict[JobId, _Job] = {}
        """Those that a slot of this machine may take, in the order in which they came."""

    # what the client wants

    def submit(self, identity: JobId, slots: int, *, tied: bool, memory: int = 0, fits: bool = True) -> list[Effect]:
        """Take a job; `tied` to this machine or not. `fits`: this machine has the labels that it requires."""
        movable = fits and slots <= self.slots and memory <= self.memory
        job = self.jobs[identity] = _Job(identity, slots, memory, movable, "describing")
        if tied or (movable and self._has_room(job)):
            return [self._here(job)]
        self._let_move(job)
        return [Describe(identity)]

    def cancel(self, identity: JobId) -> list[Effect]:
        """Stop a job, wherever it is."""
        job = self.jobs.get(identity)
        if job is None or job.place == "dropped":
            return []
        if job.place == "here":
            return [StopHere(identity)]
        self._movable.pop(identity, None)
        if job.place == "describing" or not self.up:
            return self._drop(job)
        withdrawn, job.place = job.place == "withdrawn", "dropped"
        if withdrawn:
            self._free(job)
            return self._pull()
        return [Withdraw(identity)]

    # what happens here

    def described(self, identity: JobId) -> list[Effect]:
        """Take note that a job could travel now."""
        job = self.jobs.get(identity)
        if job is None or job.place != "describing":
            return []
        job.place = "offered"
        return [Offer(identity)] if self.up else []

    def stays(self, identity: JobId) -> list[Effect]:
        """Take note that a job cannot travel, as has turned out."""
        job = self.jobs.get(identity)
        if job is None or job.place not in {"describing", "offered"}:
            return []
        return [self._here(job)]

    def ended_here(self, identity: JobId) -> list[Effect]:
        """Take note that a job is over that ran here; raises KeyError for others."""
        job = self.jobs.pop(identity)
        self._free(job)
        return self._pull()

    def give_up(self) -> list[JobId]:
        """Forget all jobs that run nowhere, and cannot run here; return which those were. The broker is gone."""
        given_up = [job.identity for job in self.jobs.values() if job.place != "here" and not job.movable]
        for identity in given_up:
            del self.jobs[identity]
        return given_up

    # what the broker says

    def greeted(self) -> list[Effect]:
        """Take note that the broker is there, and knows no jobs of ours."""
        self.up = True
        return [Offer(job.identity) for job in self.jobs.values() if job.place == "offered"]

    def lost(self) -> list[Effect]:
        """Take note that the broker is gone."""
        self.up = False
        effects: list[Effect] = []
        for job in list(self.jobs.values()):
            match job.place:
                case "withdrawn":
                    self._free(job)
                    effects.append(self._here(job))
                case "dropped":
                    effects += self._drop(job)
                case "assigned":
                    job.place, job.running = "offered", False
        self._movable.clear()
        for job in self.jobs.values():
            if job.place in {"describing", "offered"}:
                self._let_move(job)
        return [*effects, *self._pull()]

    def told(self, identity: JobId, state: StateName) -> list[Effect]:
        """Take note of where the broker has a job."""
        job = self.jobs.get(identity)
        if job is None or job.place not in {"offered", "assigned"}:
            return []
        if state in {"artifacts", "queued"}:
            job.place, job.running = "offered", False
            self._let_move(job)
            return self._pull()
        job.place = "assigned"
        self._movable.pop(identity, None)
        if state == "running" and not job.running:
            job.running = True
            return [Began(identity)]
        return []

    def ended_there(self, identity: JobId) -> list[Effect] | None:
        """Take note that the broker has told of a job's end; None if nobody wants to know."""
        job = self.jobs.get(identity)
        if job is None or job.place in {"describing", "here"}:
            return None
        del self.jobs[identity]
        self._movable.pop(identity, None)
        if job.place == "withdrawn":
            self._free(job)
        return self._pull()

    def let_go(self, identity: JobId) -> list[Effect]:
        """Take note that the broker has cancelled a job."""
        job = self.jobs.get(identity)
        if job is None or job.place in {"describing", "here"}:
            return []
        if job.place == "withdrawn":
            self._free(job)
            return [self._here(job)]
        return self._drop(job)

    def is_running(self, identity: JobId) -> bool:
        """Tell whether a worker has begun with a job."""
        job = self.jobs.get(identity)
        return job is not None and job.running

    def validate(self) -> None:
        """Raise AssertionError where an invariant is broken; for tests."""
        taken = [job for job in self.jobs.values() if job.place in {"here", "withdrawn"}]
        assert self.used == sum(job.slots for job in taken), "slots do not add up"  # noqa: S101
        assert self.memory_used == sum(job.memory for job in taken), "memory does not add up"  # noqa: S101
        waiting = [job for job in self.jobs.values() if job.place in {"describing", "offered"}]
        movable = {job.identity for job in waiting if job.movable}
        assert movable == set(self._movable), "the wrong ones can be moved"  # noqa: S101
        last = next(reversed(self._movable.values()), None)
        assert last is None or not self._has_room(last), "a slot is free for what waits"  # noqa: S101

    # inside

    def _here(self, job: _Job) -> RunHere:
        self._movable.pop(job.identity, None)
        job.place = "here"
        self._take(job)
        return RunHere(job.identity)

    def _has_room(self, job: _Job) -> bool:
        return self.used + job.slots <= self.slots and self.memory_used + job.memory <= self.memory

    def _take(self, job: _Job) -> None:
        self.used += job.slots
        self.memory_used += job.memory

    def _free(self, job: _Job) -> None:
        self.used -= job.slots
        self.memory_used -= job.memory

    def _let_move(self, job: _Job) -> None:
        if job.movable:
            self._movable[job.identity] = job

    def _drop(self, job: _Job) -> list[Effect]:
        del self.jobs[job.identity]
        self._movable.pop(job.identity, None)
        return [Drop(job.identity)]

    def _pull(self) -> list[Effect]:
        """Take back what there are free slots for."""
        effects: list[Effect] = []
        while self._movable and self.used < self.slots:
            job = next(reversed(self._movable.values()))
            if not self._has_room(job):
                break
            if job.place == "offered" and self.up:
                del self._movable[job.identity]
                job.place = "withdrawn"
                self._take(job)
                effects.append(Withdraw(job.identity))
            else:
                effects.append(self._here(job))
        return effects
