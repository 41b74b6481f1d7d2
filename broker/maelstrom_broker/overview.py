"""What those who watch are told of a broker: bounded, whatever the broker has in hand, and safe to be shown. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from maelstrom_broker.lacking import lacking
from maelstrom_broker.records import Job, Requirements, Worker
from maelstrom_core import messages as m

if TYPE_CHECKING:
    from maelstrom_broker.broker import Broker
    from maelstrom_broker.shape import Shape

SHOWN = 2000
"""Workers, and clients, that are listed."""
LOOKED_AT = 100_000
"""Jobs that are looked at for those in one state, at most: the broker does nothing else meanwhile."""
LONGEST = 64
"""Characters of a name."""
OF_CLIENTS = 8
LACKING = 10
LONGEST_REASON = 120


def status(broker: Broker, now: float) -> m.Status:
    """Return what is in hand; `now` is by the clock of the broker's events."""
    scheduler = broker.scheduler
    counts, workers = scheduler.counts, scheduler.pool.workers.values()
    stopping = len(scheduler.stopping)
    return m.Status(
        clients=len(scheduler.clients),
        artifacts=_unfinished(broker) - counts["queued"] - (counts["running"] - stopping),
        queued=counts["queued"],
        running=counts["running"],
        finished=counts["finished"],
        failed=counts["failed"],
        cancelled=counts["cancelled"],
        workers=tuple(
            m.WorkerStatus(
                shown(worker.name),
                worker.slots,
                worker.used,
                len(worker.ahead),
                worker.draining,
                worker.ended,
                now - worker.since,
                worker.peer,
            )
            for worker in itertools.islice(workers, SHOWN)
        ),
        connected=tuple(
            m.ClientStatus(
                client.peer, shown(client.name, OF_CLIENTS), len(client.jobs), client.used, now - client.since
            )
            for client in itertools.islice(scheduler.clients.values(), SHOWN)
        ),
        total_workers=len(workers),
        slots=sum(worker.slots for worker in workers if not worker.draining),
        used=sum(worker.used for worker in workers),
        seconds=now - (now if broker.since is None else broker.since),
        lacking=tuple(
            (shown(lacking(shape.wanted, workers), LONGEST_REASON), shape.waiting)
            for shape in itertools.islice(_lonely(broker), LACKING)
        ),
    )


def jobs(broker: Broker, now: float, limit: int, state: m.StateName | None = None) -> m.Jobs:
    """Return some of the unfinished jobs, those that run first."""
    found: list[m.JobStatus] = []
    reasons: dict[Requirements, str] = {}
    workers = broker.scheduler.pool.workers.values()
    for job in itertools.islice(_all_jobs(broker), LOOKED_AT):
        known = state_of(job)
        if known is None or (state is not None and state != known):
            continue
        shape, waits = job.shape, ""
        if known == "queued" and not shape.fitting:
            if shape.wanted not in reasons:
                reasons[shape.wanted] = lacking(shape.wanted, workers)
            waits = reasons[shape.wanted]
        found.append(
            m.JobStatus(
                job.client.peer,
                job.sequence,
                known,
                shown(job.attempt.worker.name) if job.attempt is not None else "",
                now - job.since,
                shape.wanted.slots,
                job.priority,
                len(job.lost),
                shown(waits, LONGEST_REASON),
            )
        )
        if len(found) >= limit:
            break
    return m.Jobs(_unfinished(broker), tuple(found))


def state_of(job: Job) -> m.StateName | None:
    """Return what others are told of the state of a job."""
    if job.attempt is not None and job.attempt.started:
        return "running"
    return None if job.state == "gone" else job.state


def shown(name: str, longest: int = LONGEST) -> str:
    """Return a name fit for a list: whoever connects chooses its own."""
    return "".join(character if character.isprintable() else "?" for character in name[:longest])


def matches(worker: Worker, name: str) -> bool:
    """Tell whether a worker is meant by a name, whole or as it is shown."""
    return name in {worker.name, shown(worker.name)}


def _unfinished(broker: Broker) -> int:
    return sum(len(client.jobs) for client in broker.scheduler.clients.values())


def _lonely(broker: Broker) -> Iterator[Shape]:
    """Yield the requirements of queued jobs that no worker meets."""
    return (shape for shape in broker.scheduler.pool.shapes.values() if shape.waiting and not shape.fitting)


def _all_jobs(broker: Broker) -> Iterator[Job]:
    scheduler = broker.scheduler
    attempts = [attempt for worker in scheduler.pool.workers.values() for attempt in worker.attempts.values()]
    for started in (True, False):
        for attempt in attempts:
            if attempt.started is started and attempt.job is not None:
                yield attempt.job
    for shape in scheduler.pool.shapes.values():
        for line in shape.lines.values():
            yield from line.jobs()
    for client in scheduler.clients.values():
        for job in client.jobs.values():
            if job.state == "artifacts":
                yield job
