"""Which job runs next, on which slot: pure decisions. Events in (method calls), effects out.

No clock, no sockets, no processes: `maelstrom_worker.supervisor` carries the effects out. A job is in exactly one
state: queued, running, or stopping (running, and to be killed). The order is that of `job_queue`.

A *wide* job takes several slots at once, and its turn may come when too few are free. While what was running at that
moment keeps it from starting, no slot stands idle for its sake: jobs of one slot that come after it start. After that
they do not, and slots that become free are *reserved* for it, but for jobs of a higher priority. So it waits for no
more than what ran when its turn came, and once more what started since then.
"""

from __future__ import annotations

import heapq
from typing import Literal

import msgspec

from maelstrom_worker.job_queue import Group, JobId, JobQueue, Slot, Wide

State = Literal["queued", "running", "stopping"]


class Start(msgspec.Struct, frozen=True):
    """Run the job on the slot. A wide one has more slots, on which nothing else runs."""

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
    more: tuple[Slot, ...] = ()
    """What a wide job has besides."""


class Scheduler:
    """The state; `slots` is how many jobs of one slot run at once."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._free = [Slot(number) for number in range(slots)]
        self._queue = JobQueue()
        self._jobs: dict[JobId, _Entry] = {}
        self._stopped = False
        self._turn: Wide | None = None
        """The wide job whose turn has come, if it waits."""
        self._before: set[JobId] = set()
        """What ran when its turn came, and still does."""

    @property
    def next_slot(self) -> Slot:
        """The slot that the next job will have, if one is free."""
        return self._free[0] if self._free else Slot(0)

    @property
    def taken(self) -> int:
        """How many slots are taken."""
        return self.slots - len(self._free)

    def submit(
        self,
        job: JobId,
        *,
        priority: int = 0,
        estimate: float | None = None,
        group: Group | None = None,
        slots: int = 1,
    ) -> list[Effect]:
        """Take a job; after `stop` it is forgotten at once.

        Raises ValueError for an id that is known, and for more slots than there are.
        """
        if job in self._jobs:
            raise ValueError(f"job {job} is known already")
        if not 1 <= slots <= self.slots:
            raise ValueError(f"job {job} takes {slots} of {self.slots} slots")
        if self._stopped:
            return [Forget(job)]
        self._jobs[job] = _Entry("queued")
        if self._free and slots == 1 and group is None and not self._queue:
            return [self._start(job, 1)]
        self._queue.push(job, priority=priority, estimate=estimate, group=group, slots=slots)
        return self._fill()

    def cancel(self, job: JobId) -> list[Effect]:
        """Stop a job; unknown ones and those being stopped already are left alone."""
        entry = self._jobs.get(job)
        if entry is None or entry.state == "stopping":
            return []
        if entry.state == "queued":
            del self._jobs[job]
            self._queue.discard(job)
            if self._turn is None or job != self._turn[0][-1]:
                return [Forget(job)]
            self._turn = None  # slots that were reserved for it are there for others
            return [Forget(job), *self._fill()]
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
        for slot in entry.more:
            heapq.heappush(self._free, slot)
        self._before.discard(job)
        return self._fill()

    def stop(self) -> list[Effect]:
        """Forget what is queued, kill what runs, take no more."""
        self._stopped = True
        return [effect for job in list(self._jobs) for effect in self.cancel(job)]

    def reserved(self) -> int:
        """Return how many slots are free and wait for a wide job to have enough of them."""
        return 0 if self._may_pass() else len(self._free)

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        counts: dict[State, int] = {"queued": 0, "running": 0, "stopping": 0}
        for entry in self._jobs.values():
            counts[entry.state] += 1
        return counts

    def validate(self) -> None:
        """Raise AssertionError where an invariant is broken; for tests."""
        entries = self._jobs.values()
        busy = [slot for entry in entries if entry.slot is not None for slot in (entry.slot, *entry.more)]
        assert len(set(busy)) == len(busy), "two jobs on one slot"  # noqa: S101
        assert sorted([*busy, *self._free]) == list(range(self.slots)), "a slot is lost"  # noqa: S101
        queued = {job for job, entry in self._jobs.items() if entry.state == "queued"}
        assert len(queued) == len(self._queue), "the queue has other jobs than those that are queued"  # noqa: S101
        assert all(job in self._queue for job in queued), "a queued job is not in the queue"  # noqa: S101
        wide, narrow = self._next_wide(), self._queue.first_narrow()
        assert not (narrow and self._free and self._may_pass()), "a slot is free while a job waits"  # noqa: S101
        assert not (wide and wide[1] <= len(self._free)), "a wide job waits for slots that are free"  # noqa: S101
        assert self._turn is None or self._turn[0][-1] in queued, "slots are reserved for nobody"  # noqa: S101
        for entry in entries:
            assert (entry.slot is None) == (entry.state == "queued"), "only queued jobs have no slot"  # noqa: S101

    def _fill(self) -> list[Effect]:
        effects: list[Effect] = []
        while self._free and self._queue and not self._stopped:
            if self._queue.wide and (wide := self._next_wide()) is not None:
                narrow = self._queue.first_narrow()
                if narrow is None or wide is self._turn or wide[0] < narrow:
                    if wide[1] <= len(self._free):
                        self._queue.discard(wide[0][-1])
                        effects.append(self._start(wide[0][-1], wide[1]))
                        continue
                    self._wait_for(wide)
                    if narrow is None or not (self._may_pass() or narrow[0] < wide[0][0]):
                        break
            effects.append(self._start(self._queue.pop(self._free[0]), 1))
        return effects

    def _start(self, job: JobId, slots: int) -> Start:
        entry = self._jobs[job]
        entry.state, entry.slot = "running", heapq.heappop(self._free)
        if slots > 1:
            entry.more = tuple(heapq.heappop(self._free) for _ in range(slots - 1))
            if self._turn is not None and job == self._turn[0][-1]:
                self._turn = None
        return Start(job, entry.slot)

    def _next_wide(self) -> Wide | None:
        """Return the wide job whose turn has come or comes next; only a higher priority takes a turn away."""
        first, turn = self._queue.first_wide(), self._turn
        return turn if turn is not None and first is not None and first[0][0] >= turn[0][0] else first

    def _wait_for(self, wide: Wide) -> None:
        """Note whose turn it is, and what runs at that moment."""
        if wide is not self._turn:
            self._turn = wide
            self._before = {job for job, entry in self._jobs.items() if entry.slot is not None}

    def _may_pass(self) -> bool:
        """Tell whether jobs of one slot may start before the wide one whose turn it is: it could not start anyway."""
        if self._turn is None:
            return True
        held = sum(1 + len(self._jobs[job].more) for job in self._before)
        return held > self.slots - self._turn[1]
