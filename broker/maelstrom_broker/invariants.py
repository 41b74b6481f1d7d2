"""What is always true of the broker between two events: `validate` for tests and for whoever suspects a bug.

Costs as much as there is, so nothing else calls it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from maelstrom_broker.records import Client, Job, Peer, Worker

if TYPE_CHECKING:
    from maelstrom_broker.broker import Broker
    from maelstrom_broker.gatherer import Gatherer
    from maelstrom_broker.scheduler import Scheduler


def validate(broker: Broker) -> None:
    """Raise AssertionError where something is not as it should be."""
    scheduler = broker.scheduler
    clients, workers = set(scheduler.clients), set(scheduler.pool.workers)
    assert broker.heard.keys() == broker.peers.keys()
    assert {peer for peer, who in broker.peers.items() if isinstance(who, Client)} == clients
    assert {peer for peer, who in broker.peers.items() if isinstance(who, Worker)} == workers
    assert not scheduler.ended, "artifacts are held for jobs that are gone"
    _gatherings(broker)
    _artifacts(broker.gatherer)
    _jobs(scheduler)
    _workers(scheduler)
    _nothing_idles(scheduler)


def _jobs(scheduler: Scheduler) -> None:
    used: Counter[Client] = Counter()
    jobs_of: Counter[object] = Counter()
    attempts = [attempt for worker in scheduler.pool.workers.values() for attempt in worker.attempts.values()]
    for attempt in attempts:
        used[attempt.client] += attempt.wanted.slots
        jobs_of[attempt.shape] += 1
        assert (attempt.job is None) == (attempt.number in scheduler.stopping), "attempts are stopped that are no more"
        assert attempt.job is None or attempt.job.attempt is attempt
    queued = set()
    for client in scheduler.clients.values():
        assert client.used == used[client], "a client's share is wrong"
        assert sum(client.wanted.values()) == len(client.jobs)
        for sequence, job in client.jobs.items():
            assert job.sequence == sequence
            assert job.client is client
            assert len(job.lost) < scheduler.settings.attempts, "tried too often"
            jobs_of[job.shape] += 1
            if job.state == "queued":
                queued.add(job)
            assert (job.attempt is not None) == (job.state == "assigned")
            if job.attempt is not None:
                assert job.attempt.job is job
                assert job.attempt.worker.attempts[job.attempt.number] is job.attempt
    assert scheduler.counts["queued"] == len(queued)
    assert scheduler.counts["running"] == len(attempts)
    assert len(scheduler.stopping) == sum(attempt.job is None for attempt in attempts)
    _shapes(scheduler, queued, jobs_of)


def _shapes(scheduler: Scheduler, queued: set[Job], jobs_of: Counter[object]) -> None:
    in_line: set[Job] = set()
    for shape in scheduler.pool.shapes.values():
        assert shape.jobs == jobs_of[shape], "a shape is kept for jobs that are gone"
        assert shape.waiting == sum(line.size for line in shape.lines.values())
        for client, line in shape.lines.items():
            jobs = list(line.jobs())
            assert client.lines[shape] is line
            assert client.peer in scheduler.clients, "a client that is gone has jobs waiting"
            assert line.size == len(jobs) > 0
            assert all(job.client is client and job.shape is shape for job in jobs)
            assert line.head().rank == min(job.rank for job in jobs), "not the first is first"
            in_line.update(jobs)
        if shape.waiting:
            first = shape.first_line()
            assert first is not None
            turns = (
                (-line.head().priority, line.client.used, line.client.served, line.client.peer)
                for line in shape.lines.values()
            )
            mine = -first.head().priority, first.client.used, first.client.served, first.client.peer
            assert mine == min(turns), "it is another client's turn"
    assert in_line == queued, "a job waits in no line"


def _workers(scheduler: Scheduler) -> None:
    expecting: Counter[Worker] = Counter()
    for worker in scheduler.pool.workers.values():
        runs = [attempt for number, attempt in worker.attempts.items() if number not in worker.ahead]
        assert worker.used == sum(attempt.wanted.slots for attempt in runs) <= worker.slots, "over-committed"
        assert worker.memory_used == sum(attempt.wanted.memory for attempt in runs) <= worker.memory, "over-committed"
        assert len(worker.ahead) <= worker.look_ahead
        assert not worker.ahead or worker.used == worker.slots, "jobs wait at a worker that has free slots"
        assert all(attempt.wanted.plain for attempt in worker.ahead.values())
        assert worker.reserved is None or worker.reserved.reserved is worker
        assert worker.reserved is None or worker.reserved.waiting
        for attempt in worker.attempts.values():
            if attempt.recalled_for is not None:
                expecting[attempt.recalled_for] += 1
        assert set(worker.shapes) == {
            shape for shape in scheduler.pool.shapes.values() if not worker.draining and worker.fits(shape.wanted)
        }
        for shape in worker.shapes:
            assert worker in shape.fitting
        assert all(worker in scheduler.pool._holders[digest] for digest in worker.layers)
    for worker in scheduler.pool.workers.values():
        assert worker.expecting == expecting[worker]
    for shape in scheduler.pool.shapes.values():
        assert all(worker.peer in scheduler.pool.workers for worker in shape.fitting)
        assert shape.reserved is None or shape.reserved.reserved is shape
        for number, worker in shape.ahead.items():
            attempt = worker.ahead[number]
            assert attempt.recalled_for is None
            assert attempt.job is not None
    held = sum(len(worker.layers) for worker in scheduler.pool.workers.values())
    assert held == sum(map(len, scheduler.pool._holders.values())), "layers of workers that are gone"


def _nothing_idles(scheduler: Scheduler) -> None:
    for shape in scheduler.pool.shapes.values():
        for worker in shape.fitting:
            if worker.reserved not in {None, shape}:
                continue
            if worker.has_room(shape.wanted):
                assert not shape.waiting, "a job waits though a slot is free for it"
                free = worker.slots - worker.used
                assert not shape.ahead or worker.expecting >= free, "a job waits elsewhere, and is not recalled"
            elif shape.wanted.plain and worker.reserved is None:
                assert not shape.waiting or len(worker.ahead) == worker.look_ahead, "the look-ahead is not used"


def _gatherings(broker: Broker) -> None:
    """Each job with artifacts belongs to one gathering, and waits in it while its artifacts are not there."""
    jobs = [job for client in broker.scheduler.clients.values() for job in client.jobs.values()]
    assert all(job.artifacts or job.state != "artifacts" for job in jobs), "a job waits for nothing"
    clients: dict[object, Counter[Peer]] = {}
    for job in jobs:
        if job.artifacts:
            clients.setdefault(job.artifacts, Counter())[job.client.peer] += 1
    gatherings = broker.gatherer.gatherings
    assert gatherings.keys() == clients.keys(), "artifacts are held for jobs that are gone"
    for artifacts, gathering in gatherings.items():
        assert gathering.clients == clients[artifacts]
        assert gathering.jobs == clients[artifacts].total()
        assert not (gathering.waiting and gathering.complete), "a job waits for what is there"
        assert all(job.artifacts == artifacts for job in gathering.waiting)
    waiting = {job for gathering in gatherings.values() for job in gathering.waiting}
    assert waiting == {job for job in jobs if job.state == "artifacts"}


def _artifacts(gatherer: Gatherer) -> None:
    held: Counter[str] = Counter()
    for gathering in gatherer.gatherings.values():
        held.update(list(gathering.held))
        for digest in gathering.missing:
            assert digest not in gatherer.available, "what is there is waited for"
            assert gathering in gatherer.wants[digest].by
        for digest in gathering.unread:
            known = digest in gathering.missing or gathering in gatherer.readings[digest].by
            assert known, "a manifest is read by nobody"
    assert held == gatherer.references
    for digest, want in gatherer.wants.items():
        assert want.by or want.asked, "wanted by nobody"
        assert want.asked or not any(gathering.waiting for gathering in want.by), "nobody is asked"
        assert all(digest in gatherer._asked[peer] for peer in want.asked)
    asked = sum(len(want.asked) for want in gatherer.wants.values())
    assert sum(map(len, gatherer._asked.values())) == asked
    assert all(gatherer._asked.values())
    assert set(gatherer._heard) == set(gatherer._asked)
    assert gatherer._active == sum(reading.begun for reading in gatherer.readings.values()) <= gatherer._readers
    assert not gatherer._queue or gatherer._active == gatherer._readers
    remembered = sum(len(named) + 1 for named in gatherer._remembered.values())
    assert gatherer._size == remembered <= gatherer._limit
