"""Which job runs next, on which slot: pure decisions. Events in (method calls), effects out.

No clock, no sockets, no processes: `maelstrom_worker.supervisor` carries the effects out. A job is in exactly one
state: queued, running, or stopping (running, and to be killed). The order is that of `job_queue`.
"""

from __future__ import annotations

import heapq
from typing import Literal

import msgspec

from maelstrom_worker.job_queue import Group, JobId, JobQueue, Slot

State = Literal["queued", "running", "stopping"]


class Start(msgspec.Struct, frozen=True):
    """Run the job on the slot."""

    job: JobId
    slot: Slot


class Kill(msgspec.Struct, frozen=True):
    """Kill what runs on the slot; the slot is free when `finished` says so."""

    job: JobId
    slot: Slot


class Forget(msgspec.Struct, frozen=True):
    """The job was cancelled before it started: it will not run."""

    job: JobId


Effect = Start | Kill | Forget


class _Entry(msgspec.Struct):
    state: State
    slot: Slot | None = None


class Scheduler:
    """The state; `slots` is how many jobs run at once."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._free = [Slot(number) for number in range(slots)]
        self._queue = JobQueue()
        self._jobs: dict[JobId, _Entry] = {}
        self._stopped = False

    def submit(
        self, job: JobId, *, priority: int = 0, estimate: float | None = None, group: Group | None = None
    ) -> list[Effect]:
        """Take a job; raises ValueError for an id that is known. After `stop` it is forgotten at once."""
        if job in self._jobs:
            raise ValueError(f"job {job} is known already")
        if self._stopped:
            return [Forget(job)]
        self._jobs[job] = _Entry("queued")
        self._queue.push(job, priority=priority, estimate=estimate, group=group)
        return self._fill()

    def cancel(self, job: JobId) -> list[Effect]:
        """Stop a job; unknown ones and those being stopped already are left alone."""
        entry = self._jobs.get(job)
        if entry is None or entry.state == "stopping":
            return []
        if entry.state == "queued":
            del self._jobs[job]
            self._queue.discard(job)
            return [Forget(job)]
        assert entry.slot is not None  # noqa: S101 - a running job has one
        entry.state = "stopping"
        return [Kill(job, entry.slot)]

    def finished(self, job: JobId) -> list[Effect]:
        """Say that a started job is over, whatever the reason; raises KeyError for one that was not running."""
        entry = self._jobs.pop(job)
        if entry.slot is None:
            self._jobs[job] = entry
            raise KeyError(job)
        heapq.heappush(self._free, entry.slot)
        return self._fill()

    def stop(self) -> list[Effect]:
        """Forget what is queued, kill what runs, take no more."""
        self._stopped = True
        return [effect for job in list(self._jobs) for effect in self.cancel(job)]

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        counts: dict[State, int] = {"queued": 0, "running": 0, "stopping": 0}
        for entry in self._jobs.values():
            counts[entry.state] += 1
        return counts

    def validate(self) -> None:
        """Raise AssertionError where an invariant is broken; for tests."""
        busy = [entry.slot for entry in self._jobs.values() if entry.slot is not None]
        assert len(set(busy)) == len(busy), "two jobs on one slot"  # noqa: S101
        assert sorted([*busy, *self._free]) == list(range(self.slots)), "a slot is lost"  # noqa: S101
        queued = {job for job, entry in self._jobs.items() if entry.state == "queued"}
        assert len(queued) == len(self._queue), "the queue has other jobs than those that are queued"  # noqa: S101
        assert all(job in self._queue for job in queued), "a queued job is not in the queue"  # noqa: S101
        assert not (queued and self._free), "a slot is free while a job waits"  # noqa: S101
        for entry in self._jobs.values():
            assert (entry.slot is None) == (entry.state == "queued"), "only queued jobs have no slot"  # noqa: S101

    def _fill(self) -> list[Effect]:
        effects: list[Effect] = []
        while self._free and self._queue:
            slot = heapq.heappop(self._free)
            job = self._queue.pop(slot)
            entry = self._jobs[job]
            entry.state, entry.slot = "running", slot
            effects.append(Start(job, slot))
        return effects
