"""Jobs that want the same of a worker: where they wait, and which workers could take one.

Jobs of one client (`Line`) are in queues, one for each priority and class of length; clients of one shape, and
workers by load, are in heaps. Entries are not removed but grow stale. So an event costs the same whether ten workers
or thousands are there, ten jobs or a million wait: the jobs of a queue are read in the order in which they were
written.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from maelstrom_broker.records import Client, Job, Peer, Requirements, Worker

_SLACK = 64
"""Stale entries that a heap may hold besides one for each live one."""
_PEEK = 7
"""Jobs that are looked at for one whose layers are there."""
_IDLE = 64
"""Queues of a line beyond which those that are empty are not kept."""
_PATIENCE = 8
"""How often a job may be passed over for one of these."""

_tickets = itertools.count(1)

Rank = tuple[int, int, int, int, int]
"""Of the next job: priority, then its client's slots in use and last turn, then longest, then as they came."""


class _Queue:
    """Jobs as urgent as each other and about as long, as they came: what waits longest in memory is read in order."""

    __slots__ = ("late", "listed", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Any] = deque()
        """Jobs, each followed by what its ticket was; an entry whose job has another one now is stale."""
        self.late: list[tuple[int, int, Job]] | tuple[()] = ()
        """A heap of those that came to wait, or to wait again, after others that had come later: with their tickets."""
        self.listed = False
        """Whether its line looks at it."""

    def push(self, job: Job) -> None:
        """Let a job wait."""
        waiting = self.waiting
        if not waiting or job.arrival > waiting[-2].arrival:
            waiting.extend((job, job.ticket))
            return
        late = self.late = self.late or []
        heapq.heappush(late, (job.arrival, job.ticket, job))

    def late_one(self) -> tuple[Job | None, int]:
        """Return the first of those that came late, and how many stale entries were dropped for that."""
        late, dropped = self.late, 0
        while late and late[0][1] != late[0][2].ticket:
            heapq.heappop(late)
            dropped += 1
        return late[0][2] if late else None, dropped

    def jobs(self, most: int | None = None) -> Iterator[Job]:
        """Yield those that wait, of so many of the first entries, or all."""
        entries = iter(self.waiting)
        for job, ticket in itertools.islice(zip(entries, entries, strict=True), most):
            if job.ticket == ticket:
                yield job
        for _, ticket, job in self.late[:most]:
            if job.ticket == ticket:
                yield job


class Line:
    """The waiting jobs of one client with one shape."""

    __slots__ = ("_head", "_order", "_queues", "_stale", "client", "place", "size", "version")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.size = 0
        self.version = 0
        self.place: tuple[int, int, int] | None = None
        """What it was last put in the order of its shape by."""
        self._queues: dict[tuple[int, int], _Queue] = {}
        """By the first two parts of the ranks of their jobs; some are empty."""
        self._order: list[tuple[int, int]] = []
        """A heap of the names of those that are listed."""
        self._head: Job | None = None
        """The first job, if it is known."""
        self._stale = 0

    def push(self, job: Job) -> None:
        """Let a job wait."""
        job.ticket += 1
        job.state = "queued"
        rank = job.rank
        name = rank[:2]
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = _Queue()
        if not queue.listed:
            queue.listed = True
            heapq.heappush(self._order, name)
        queue.push(job)
        self.size += 1
        if self._head is not None and rank < self._head.rank:
            self._head = job

    def remove(self, job: Job) -> None:
        """Let a job wait no longer; its entry goes when it comes up, or when there are too many of them."""
        job.ticket += 1
        self.size -= 1
        self._stale += 1
        if job is self._head:
            self._head = None
        if not self.size:
            self._queues, self._order, self._stale = {}, [], 0
        elif self._stale > self.size + _SLACK:
            self._sweep()

    def head(self) -> Job:
        """Return the first job; there is one."""
        while self._head is None:
            queue = self._queues[self._order[0]]
            waiting = queue.waiting
            while waiting and waiting[0].ticket != waiting[1]:
                waiting.popleft()
                waiting.popleft()
                self._stale -= 1
            self._head = waiting[0] if waiting else None
            if queue.late:
                late, dropped = queue.late_one()
                self._stale -= dropped
                if late is not None and (self._head is None or late.arrival < self._head.arrival):
                    self._head = late
            if self._head is None:
                queue.listed = False
                name = heapq.heappop(self._order)
                if len(self._queues) > _IDLE:
                    del self._queues[name]
        return self._head

    def head_for(self, worker: Worker) -> Job:
        """Return the first job, or one soon after it, as urgent, of which the worker has all layers."""
        head = self.head()
        if head.passed >= _PATIENCE or not worker.missing(head.artifacts):
            return head
        names = sorted(name for name in self._order[:_PEEK] if name[0] == -head.priority)
        soon = itertools.chain.from_iterable(self._queues[name].jobs(_PEEK) for name in names)
        for job in itertools.islice(soon, _PEEK):
            if job is not head and not worker.missing(job.artifacts):
                head.passed += 1
                return job
        return head

    def jobs(self) -> Iterator[Job]:
        """Yield all that wait, in no order."""
        return itertools.chain.from_iterable(queue.jobs() for queue in self._queues.values())

    def _sweep(self) -> None:
        """Drop all entries that are stale."""
        jobs = sorted(self.jobs(), key=lambda job: job.arrival)
        self._queues, self._stale = {}, 0
        for job in jobs:
            name = job.rank[:2]
            if name not in self._queues:
                self._queues[name] = _Queue()
                self._queues[name].listed = True
            self._queues[name].push(job)
        self._order = sorted(self._queues)


class WorkerIndex:
    """Workers by load, the least loaded first, then who came first."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Worker]] = []

    def push(self, worker: Worker, live: int) -> None:
        """Put a worker in with its present version; `live` is how many workers there may be."""
        heapq.heappush(self._heap, (worker.load, worker.peer, worker.version, worker))
        if len(self._heap) > 2 * live + _SLACK:
            self._heap = [entry for entry in self._heap if entry[2] == entry[3].version]
            heapq.heapify(self._heap)

    def first(self) -> Worker | None:
        """Return the least loaded one."""
        heap = self._heap
        while heap and heap[0][2] != heap[0][3].version:
            heapq.heappop(heap)
        return heap[0][3] if heap else None

    def some(self, count: int) -> list[Worker]:
        """Return so many of the least loaded ones."""
        taken: list[tuple[float, int, int, Worker]] = []
        while len(taken) < count and self.first() is not None:
            taken.append(heapq.heappop(self._heap))
        for entry in taken:
            heapq.heappush(self._heap, entry)
        return [entry[3] for entry in taken]


class Shape:
    """One set of requirements."""

    __slots__ = (
        "_order",
        "ahead",
        "base",
        "fitting",
        "jobs",
        "lines",
        "reserved",
        "room",
        "spare",
        "told",
        "waiting",
        "wanted",
    )

    def __init__(self, wanted: Requirements) -> None:
        self.wanted = wanted
        self.base = msgspec.structs.replace(wanted, avoid=frozenset()) if wanted.avoid else wanted
        """What its jobs were submitted with."""
        self.jobs = 0
        """Jobs and attempts that have it."""
        self.waiting = 0
        self.lines: dict[Client, Line] = {}
        self._order: list[tuple[int, int, int, int, int, Line]] = []
        """Lines by whose turn it is; empty while there is but one."""
        self.fitting: dict[Worker, None] = {}
        """Workers that can run its jobs and do not drain."""
        self.room = WorkerIndex()
        """Those of them that can begin one now."""
        self.spare = WorkerIndex()
        """Those that can let one wait."""
        self.ahead: dict[int, Worker] = {}
        """Attempts that wait at a worker and may be recalled, the latest last."""
        self.reserved: Worker | None = None
        self.told: set[Peer] = set()
        """Clients that know that nobody can run its jobs."""

    def push(self, job: Job) -> None:
        """Let a job wait."""
        client, lines = job.client, self.lines
        line = lines.get(client)
        self.waiting += 1
        if line is not None:
            line.push(job)
            self.moved(line)
            return
        line = client.lines[self] = Line(client)
        line.push(job)
        lines[client] = line
        if len(lines) == 2:  # now there is an order
            for each in lines.values():
                self.moved(each)
        else:
            self.moved(line)

    def remove(self, job: Job) -> None:
        """Let a job wait no longer."""
        client, lines = job.client, self.lines
        line = lines[client]
        line.remove(job)
        self.waiting -= 1
        if line.size:
            self.moved(line)
            return
        line.version = 0
        del lines[client], client.lines[self]
        if len(lines) == 1:  # the one that is left needs no place
            self._order.clear()
            for each in lines.values():
                each.place = None

    def moved(self, line: Line) -> None:
        """Give a client its place anew, if its first job, its share or its turn are others."""
        if len(self.lines) < 2:
            return
        client = line.client
        place = -line.head().priority, client.used, client.served
        if place == line.place:
            return
        line.place = place
        line.version = next(_tickets)
        heapq.heappush(self._order, (*place, client.peer, line.version, line))
        if len(self._order) > 2 * len(self.lines) + _SLACK:
            self._order = [entry for entry in self._order if entry[4] == entry[5].version]
            heapq.heapify(self._order)

    def first_line(self) -> Line | None:
        """Return the line whose client is to be served next."""
        lines, order = self.lines, self._order
        if len(lines) < 2:
            for line in lines.values():
                return line
            return None
        while order[0][4] != order[0][5].version:
            heapq.heappop(order)
        return order[0][5]

    def rank(self) -> Rank:
        """Return the rank of its next job, to be compared with those of other shapes; one waits."""
        line = self.first_line()
        if line is None:
            raise LookupError("no job waits")
        priority, length, arrival = line.head().rank
        return priority, line.client.used, line.client.served, length, arrival

    def all_waiting(self) -> list[Job]:
        """Return all jobs that wait, in the order of their ranks among their clients'."""
        return sorted((job for line in self.lines.values() for job in line.jobs()), key=lambda job: job.rank)
