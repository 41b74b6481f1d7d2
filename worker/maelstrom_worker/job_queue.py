"""The jobs that wait, and which of them a slot takes next. Pure.

Order: higher priority first, then the longest estimate (unknown counts as longest), then first come.

Jobs may belong to a *group*, jobs that are forked from one template. A slot stays with a group as long as there is
more of it, and slots that need another take one that no slot has, the one with the longest job first: so templates load
side by side instead of all slots waiting for one, and are not made for more slots than need them. Slots share a group
only when there are fewer groups than slots.

*Wide* jobs, which take several slots at once, wait here too, in a line of their own; when it is their turn is decided
by `scheduler`. An estimate counts once for each slot.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Hashable
from typing import NewType

JobId = NewType("JobId", int)
Slot = NewType("Slot", int)
Group = Hashable

UNKNOWN = float("inf")
Entry = tuple[int, float, int, JobId]
"""Sorts first what is to run first."""
Wide = tuple[Entry, int]
"""A job that takes several slots, and how many."""


class JobQueue:
    """What waits."""

    def __init__(self) -> None:
        self._alone: list[Entry] = []
        self._groups: dict[Group, list[Entry]] = {}
        self.wide: list[Wide] = []
        """Those that take several slots; some wait no longer."""
        self._waiting: dict[JobId, tuple[int, Group | None]] = {}
        self._levels: Counter[int] = Counter()
        """How many jobs of groups wait at each priority."""
        self._group_of: dict[Slot, Group] = {}
        self._arrival = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, job: JobId) -> bool:
        return job in self._waiting

    def push(
        self,
        job: JobId,
        *,
        priority: int = 0,
        estimate: float | None = None,
        group: Group | None = None,
        slots: int = 1,
    ) -> None:
        """Let a job wait. One that takes several `slots` belongs to no group."""
        rank = -(UNKNOWN if estimate is None else estimate * slots)
        entry = (-priority, rank, next(self._arrival), job)
        if slots > 1:
            self._waiting[job] = (priority, None)
            heapq.heappush(self.wide, (entry, slots))
            return
        self._waiting[job] = (priority, group)
        if group is None:
            heapq.heappush(self._alone, entry)
        else:
            heapq.heappush(self._groups.setdefault(group, []), entry)
            self._levels[priority] += 1

    def discard(self, job: JobId) -> None:
        """Let a job wait no longer; its place is skipped when it comes up."""
        priority, group = self._waiting.pop(job)
        if group is not None:
            self._levels[priority] -= 1

    def first_wide(self) -> Wide | None:
        """Return the first of the jobs that take several slots."""
        while self.wide and self.wide[0][0][-1] not in self._waiting:
            heapq.heappop(self.wide)
        return self.wide[0] if self.wide else None

    def first_narrow(self) -> Entry | None:
        """Return the first of the jobs that take one slot, whatever slot it is."""
        firsts = [self._first(self._alone), *(self._first(entries) for entries in self._groups.values())]
        return min((entry for entry in firsts if entry is not None), default=None)

    def pop(self, slot: Slot) -> JobId:
        """Take the next job of one slot for a slot. Raises IndexError where none waits."""
        alone = self._first(self._alone)
        group = self._choose(slot, alone) if self._groups else None
        if group is None:
            if alone is None:
                raise IndexError("no job waits")
            entry = heapq.heappop(self._alone)
        else:
            self._group_of[slot] = group
            entry = heapq.heappop(self._groups[group])
            if self._first(self._groups[group]) is None:
                del self._groups[group]
        self.discard(entry[-1])
        return entry[-1]

    def _choose(self, slot: Slot, alone: Entry | None) -> Group | None:
        """Return the group from which the slot takes its next job; None for the jobs that have none."""
        level = max((priority for priority, count in self._levels.items() if count), default=None)
        if level is None:
            self._groups.clear()  # what is left in them was discarded
            return None
        if alone is not None and -alone[0] > level:
            return None
        mine = self._group_of.get(slot)
        others = Counter(group for other, group in self._group_of.items() if other != slot)
        if mine is not None and not others[mine] and self._serves(mine, level):
            return mine
        groups = [group for group in list(self._groups) if self._serves(group, level)]
        unused = [group for group in groups if not others[group]]
        if unused:
            best = min(unused, key=lambda group: self._groups[group][0])
            return None if alone is not None and alone < self._groups[best][0] else best
        if mine in groups:
            return mine
        return max(groups, key=lambda group: len(self._groups[group]) / (others[group] + 1))

    def _serves(self, group: Group, level: int) -> bool:
        """Tell whether the first job of a group has this priority; groups of which nothing waits go."""
        entries = self._groups.get(group)
        if entries is None:
            return False
        first = self._first(entries)
        if first is None:
            del self._groups[group]
            return False
        return -first[0] == level

    def _first(self, entries: list[Entry]) -> Entry | None:
        while entries and entries[0][-1] not in self._waiting:
            heapq.heappop(entries)
        return entries[0] if entries else None
