"""What an event costs grows neither with the workers that are there nor with the jobs that wait: counted, not timed."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable

from maelstrom_broker import effects as e
from maelstrom_broker.broker import Broker
from maelstrom_broker.records import Peer
from maelstrom_core import messages as m

JOBS = 400
"""Counted ones."""
MANY = int(os.environ.get("MAELSTROM_TEST_QUEUED", "20000"))
"""Jobs that wait; 1,000,000 on demand."""


def calls(action: Callable[[], None]) -> int:
    """Return how many functions are called, those in C included."""
    count = itertools.count()

    def profile(_frame: object, kind: str, _argument: object) -> None:
        if kind in {"call", "c_call"}:
            next(count)

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return next(count)


def cost(workers: int, queued: int, *, layers: int = 0) -> float:
    """Return the calls for each job that comes and each that ends, with so many workers, and jobs that wait."""
    broker = Broker()
    running: list[tuple[Peer, int]] = []
    artifacts = tuple(m.Artifact(f"{number:064x}") for number in range(layers))
    sequences = itertools.count()

    def handle(event: e.Event) -> None:
        sends = (effect for effect in broker.handle(event, 0.0) if isinstance(effect, e.Send))
        running.extend((send.peer, send.message.attempt) for send in sends if isinstance(send.message, m.Run))

    for artifact in artifacts:
        handle(e.Stored(artifact.digest))
    clients = [Peer(number) for number in range(1, 4)]
    for client in clients:
        handle(e.Connected(client, m.Hello(m.PROTOCOL, "client", name=f"c{client}")))
    for number in range(workers):
        handle(e.Connected(Peer(100 + number), m.Hello(m.PROTOCOL, "worker", offer=m.Offer(4))))

    def submit() -> None:
        sequence = next(sequences)
        message = m.Submit(sequence, artifacts, estimate=float(sequence * 7919 % 1000))
        handle(e.Said(clients[sequence % 3], message))

    def end() -> None:
        peer, attempt = running.pop(0)
        handle(e.Said(peer, m.Started(attempt)))
        handle(e.Said(peer, m.Ended(attempt)))

    while broker.scheduler.counts["queued"] < queued:
        submit()

    def some() -> None:
        for _ in range(JOBS):
            submit()
            end()

    some()  # what is done once has been done
    return calls(some) / JOBS


def test_many_workers_cost_no_more_than_few() -> None:
    assert cost(1000, 100) < 1.2 * cost(10, 100)


def test_many_jobs_that_wait_cost_no_more_than_few() -> None:
    assert cost(10, MANY) < 1.2 * cost(10, 100)


def test_nor_do_many_idle_workers() -> None:
    assert cost(1000, 0, layers=3) < 1.2 * cost(10, 0, layers=3)
