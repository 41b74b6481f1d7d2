"""Forks leave nothing: processes, descriptors, mounts, memory are the same after many of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_core.job import Exited
from tests.integration.templates.conftest import MakeJob
from tests.support.pool import Pool
from tests.support.programs import alive, descendants, eventually

FORKS = int(os.environ.get("MAELSTROM_TEST_FORKS", "300"))
"""How many are made; 100,000 on demand."""


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    pool = Pool(slots=1)
    yield pool
    pool.close()


def census(pool: Pool) -> dict[str, list[int]]:
    """Return what the processes of a pool hold: how many they are, their descriptors, their mounts."""
    living = [pid for pid in descendants(pool.process.pid) if alive(pid)]
    return {
        "descriptors": sorted(len(os.listdir(f"/proc/{pid}/fd")) for pid in living),
        "mounts": sorted(len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in living),
    }


def settled(pool: Pool) -> dict[str, list[int]]:
    """Return the census when it has stopped changing: a runner closes what it was sent when the job is over."""
    counts = [census(pool)]

    def is_still() -> bool:
        counts.append(census(pool))
        return len(counts) > 20 and all(count == counts[-1] for count in counts[-20:])

    assert eventually(is_still)
    return counts[-1]


def memory(pool: Pool) -> int:
    """Return the private memory of all processes of a pool, in KiB."""
    total = 0
    for pid in filter(alive, descendants(pool.process.pid)):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Dirty:", "Private_Clean:")):
                total += int(line.split()[1])
    return total


def test_many_forks_of_one_template_leave_everything_as_it_was(own_pool: Pool, forked: MakeJob) -> None:
    # each writes to the root and to /tmp, so that mounts are made anew as well
    script = "echo x > /tmp/a; test -e /var/tmp/b && exit 9; if [ $RANDOM_ ]; then :; else echo x > /var/tmp/b; fi"
    run = forked(script)
    for _ in range(50):
        own_pool.run(run)
    before, used = settled(own_pool), memory(own_pool)
    for _ in range(FORKS):
        outcome = own_pool.run(run)
        assert isinstance(outcome, Exited)
        assert outcome.code == 0
    assert eventually(lambda: census(own_pool) == before), (before, census(own_pool))
    assert memory(own_pool) < used + 4096


def test_many_jobs_of_one_process_leave_everything_as_it_was(own_pool: Pool, deed: MakeJob) -> None:
    def run(times: int) -> None:
        for _ in range(times):
            for name in ("tmp", "load", "living thread", "map", "heap"):
                outcome = own_pool.run(deed(name))
                assert isinstance(outcome, Exited)
                assert outcome.code == 7

    run(20)
    before, used = settled(own_pool), memory(own_pool)
    run(FORKS // 5)
    assert eventually(lambda: census(own_pool) == before), (before, census(own_pool))
    assert memory(own_pool) < used + 4096


def test_the_end_of_the_pool_ends_templates_and_their_forks(own_pool: Pool, forked: MakeJob) -> None:
    own_pool.run(forked("true", stages=("more",)))
    own_pool.start(forked("sleep 1000", stages=("more",)))
    below = descendants(own_pool.process.pid)
    assert len(below) > 6
    own_pool.process.kill()
    own_pool.process.wait()
    assert eventually(lambda: not any(alive(pid) for pid in below))
