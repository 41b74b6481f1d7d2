"""Jobs that want the same of a worker: where they wait, and which workers could take one.

Two kinds of heaps, whose entries are not removed but grow stale: jobs of one client (`Line`), clients of one shape, and
workers by load. So an event costs the same whether ten workers or thousands are there, ten jobs or a million wait.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

import msgspec

from maelstrom_broker.records import Client, Job, Peer, Requirements, Worker

_SLACK = 64
"""Stale entries that a heap may hold besides one for each live one."""
_PEEK = 7
"""Entries at the top of a heap that are looked at for a job whose layers are there."""
_PATIENCE = 8
"""How often a job may be passed over for one of these."""

_tickets = itertools.count(1)

Rank = tuple[int, int, int, float, int]
"""Of the next job: priority, then its client's slots in use and last turn, then longest, then as they came."""


class Line:
    """The waiting jobs of one client with one shape."""

    __slots__ = ("_heap", "client", "place", "size", "version")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.size = 0
        self.version = 0
        self.place: tuple[int, int, int] | None = None
        """What it was last put in the order of its shape by."""
        self._heap: list[tuple[int, float, int, int, Job]] = []

    def push(self, job: Job) -> None:
        """Let a job wait."""
        job.ticket = ticket = next(_tickets)
        job.state = "queued"
        priority, estimate, arrival = job.rank
        heapq.heappush(self._heap, (priority, estimate, arrival, ticket, job))
        self.size += 1

    def remove(self, job: Job) -> None:
        """Let a job wait no longer; its entry goes when it comes up, or when there are too many of them."""
        job.ticket = 0
        self.size -= 1
        if not self.size:
            self._heap.clear()
        elif len(self._heap) > 2 * self.size + _SLACK:
            self._heap = [entry for entry in self._heap if entry[3] == entry[4].ticket]
            heapq.heapify(self._heap)

    def head(self) -> Job:
        """Return the first job; there is one."""
        heap = self._heap
        while heap[0][3] != heap[0][4].ticket:
            heapq.heappop(heap)
        return heap[0][4]

    def head_for(self, worker: Worker) -> Job:
        """Return the first job, or one soon after it, as urgent, of which the worker has all layers."""
        head = self.head()
        if head.passed >= _PATIENCE or not worker.missing(head.artifacts):
            return head
        for entry in self._heap[1:_PEEK]:
            job = entry[4]
            if entry[3] == job.ticket and job.priority == head.priority and not worker.missing(job.artifacts):
                head.passed += 1
                return job
        return head

    def jobs(self) -> Iterator[Job]:
        """Yield all that wait, in no order."""
        return (entry[4] for entry in self._heap if entry[3] == entry[4].ticket)


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
        priority, estimate, arrival = line.head().rank
        return priority, line.client.used, line.client.served, estimate, arrival

    def all_waiting(self) -> list[Job]:
        """Return all jobs that wait, in the order of their ranks among their clients'."""
        return sorted((job for line in self.lines.values() for job in line.jobs()), key=lambda job: job.rank)
