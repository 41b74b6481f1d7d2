"""Forks leave nothing: processes, descriptors, mounts, memory are the same after many of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from maelstrom_core.job import Exited
from tests.integration.templates.conftest import MakeJob
from tests.support.census import census, growth, private_memory, settled
from tests.support.pool import Pool
from tests.support.programs import alive, descendants, eventually

FORKS = int(os.environ.get("MAELSTROM_TEST_FORKS", "300"))
"""How many are made; 100,000 on demand."""
SLACK = 4096
"""KiB."""


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    pool = Pool(slots=1)
    yield pool
    pool.close()


def added(pool: Pool, run: Callable[[], None]) -> dict[str, object]:
    """Return what a pool holds after `run` that it did not hold before."""
    pid = pool.process.pid
    before, used = settled(lambda: census(pid)), private_memory(pid)
    run()
    if eventually(lambda: not growth(before, census(pid)) and private_memory(pid) < used + SLACK, seconds=20):
        return {}
    return growth(before, census(pid)) | {"memory": (used, private_memory(pid))}


def assert_nothing_is_left_of(pool: Pool, run: Callable[[], None]) -> None:
    """Look twice: what the last fork before has spoilt is made again by the next one; a leak is there each time."""
    assert not added(pool, run) or not (left := added(pool, run)), left


def test_many_forks_of_one_template_leave_everything_as_it_was(own_pool: Pool, forked: MakeJob) -> None:
    # each writes to the root and to /tmp, so that mounts are made anew as well
    script = "echo x > /tmp/a; test -e /var/tmp/b && exit 9; if [ $RANDOM_ ]; then :; else echo x > /var/tmp/b; fi"

    def run(times: int) -> None:
        for _ in range(times):
            outcome = own_pool.run(forked(script))
            assert isinstance(outcome, Exited)
            assert outcome.code == 0

    run(50)
    assert_nothing_is_left_of(own_pool, lambda: run(FORKS))


def test_many_jobs_of_one_process_leave_everything_as_it_was(own_pool: Pool, deed: MakeJob) -> None:
    def run(times: int) -> None:
        for _ in range(times):
            for name in ("tmp", "load", "living thread", "map", "heap"):
                outcome = own_pool.run(deed(name))
                assert isinstance(outcome, Exited)
                assert outcome.code == 7

    run(20)
    assert_nothing_is_left_of(own_pool, lambda: run(FORKS // 5))


def test_the_end_of_the_pool_ends_templates_and_their_forks(own_pool: Pool, forked: MakeJob) -> None:
    own_pool.run(forked("true", stages=("more",)))
    own_pool.start(forked("sleep 1000", stages=("more",)))
    below = descendants(own_pool.process.pid)
    assert len(below) > 6
    own_pool.process.kill()
    own_pool.process.wait()
    assert eventually(lambda: not any(alive(pid) for pid in below))
