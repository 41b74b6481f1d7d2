"""What an event costs grows neither with the workers that are there nor with the jobs that wait: counted, not timed."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable

from ci.bench.crowd import Crowd

JOBS = 400
"""Counted ones."""
BOUND = 215
"""Functions called for a job that comes, begins and ends, those in C included."""
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
    crowd = Crowd(workers, queued, layers=layers)

    def some() -> None:
        for _ in range(JOBS):
            crowd.turn()

    some()  # what is done once has been done
    return calls(some) / JOBS


def test_many_workers_cost_no_more_than_few() -> None:
    assert cost(1000, 100) < 1.2 * cost(10, 100)


def test_many_jobs_that_wait_cost_no_more_than_few() -> None:
    assert cost(10, MANY) < 1.2 * cost(10, 100)


def test_nor_do_many_idle_workers() -> None:
    assert cost(1000, 0, layers=3) < 1.2 * cost(10, 0, layers=3)


def test_a_job_costs_so_many_calls() -> None:
    """Whoever needs more says why here: a broker's rate is made of these."""
    assert cost(10, 100) < BOUND
    assert cost(10, 0) < BOUND
    assert cost(10, 100, layers=3) < BOUND + 30
