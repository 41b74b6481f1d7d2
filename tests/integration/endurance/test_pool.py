"""Many jobs in a row and many at once, through the pool: what is held before is held after, whatever they did."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from maelstrom_core.job import Cancelled, Container, Exited
from maelstrom_core.spec import BindMount, Network
from tests.integration.endurance.conftest import JOBS, LITTER, MOUNTS, SLOTS, every_way, within
from tests.support.census import Census, census, growth, private_memory, settled
from tests.support.pool import Pool, shell
from tests.support.programs import alive, descendants, eventually

SPOIL = "echo x > /var/tmp/spoilt; sleep 0.2"
"""Written to, the root that jobs share is taken down, so that a census never finds one."""
GROWTH = 6 << 10
"""KiB that the memory of all processes together may differ by, as it does from one moment to the next."""


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    pool = Pool(slots=2)
    yield pool
    pool.close()


@pytest.fixture
def wide_pool() -> Iterator[Pool]:
    pool = Pool(slots=SLOTS)
    yield pool
    pool.close()


def acquaint(pool: Pool, *containers: Container, slots: int = 2) -> None:
    """Have every member prepare each of the containers, of which it keeps the last few, and no root that jobs share."""
    for each in containers:
        for number in [pool.start(shell(SPOIL, within=each)) for _ in range(slots)]:
            assert isinstance(pool.wait(number), Exited)


def holds_no_more_than(before: Census, pool: Pool) -> bool:
    return eventually(lambda: not growth(before, census(pool.process.pid)))


def run_every_way(pool: Pool, rounds: int) -> None:
    for _ in range(rounds):
        jobs = every_way()
        numbers = [pool.start(job) for job, _ in jobs]
        for number, (job, kind) in zip(numbers, jobs, strict=True):
            outcome = pool.wait(number)
            assert isinstance(outcome, kind), (job.program, job.arguments, outcome)


def test_jobs_in_a_row_that_end_in_every_way_leave_everything_as_it_was(own_pool: Pool) -> None:
    look, containers = partial(census, own_pool.process.pid), (within(), within(network=Network.DISABLED))
    acquaint(own_pool, *containers)
    run_every_way(own_pool, 4)
    acquaint(own_pool, *containers)
    members, before, used = own_pool.members(), settled(look), private_memory(own_pool.process.pid)
    run_every_way(own_pool, JOBS // len(every_way()))
    acquaint(own_pool, *containers)
    assert own_pool.members() == members
    assert holds_no_more_than(before, own_pool), growth(before, look())
    assert private_memory(own_pool.process.pid) < used + GROWTH


def test_each_in_a_container_of_its_own_leaves_everything_as_it_was(own_pool: Pool) -> None:
    """Nothing can be kept for the next one."""
    look = partial(census, own_pool.process.pid)

    def run(first: int, last: int) -> None:
        for number in range(first, last):
            outcome = own_pool.run(shell("echo x > /written", within=within(directories=(f"/var/{number}",))))
            assert isinstance(outcome, Exited), outcome

    run(0, 40)
    before, used = settled(look), private_memory(own_pool.process.pid)
    run(40, 40 + JOBS)
    assert holds_no_more_than(before, own_pool), growth(before, look())
    assert private_memory(own_pool.process.pid) < used + GROWTH


def test_cancelled_at_any_moment_they_leave_everything_as_it_was(own_pool: Pool) -> None:
    look = partial(census, own_pool.process.pid)

    def run(times: int) -> None:
        for _ in range(times):
            numbers = [own_pool.start(shell(LITTER + "wait", within=within())) for _ in range(3)]
            for number in numbers:
                own_pool.cancel(number)
            assert {own_pool.wait(number) for number in numbers} == {Cancelled()}

    acquaint(own_pool, within())
    run(10)
    acquaint(own_pool, within())
    before = settled(look)
    run(JOBS // 6)
    acquaint(own_pool, within())
    assert holds_no_more_than(before, own_pool), growth(before, look())


def test_many_at_once_leave_everything_as_it_was(wide_pool: Pool, tmp_path: Path) -> None:
    """All of them run at once: each waits until it sees the traces of all."""
    (tmp_path / "traces").mkdir()
    look = partial(census, wide_pool.process.pid)
    mounts = (*MOUNTS, BindMount("/traces", str(tmp_path / "traces")))

    def wave(name: str) -> None:
        script = f'mktemp /traces/{name}.XXXXXX; until [ "$(ls /traces | wc -l)" -ge {SLOTS} ]; do sleep 0.1; done'
        job = shell(LITTER + script, within=within(mounts=mounts), timeout=200)
        for number in [wide_pool.start(job) for _ in range(SLOTS)]:
            outcome = wide_pool.wait(number)
            assert isinstance(outcome, Exited), outcome
            assert outcome.code == 0, outcome
        for trace in (tmp_path / "traces").iterdir():
            trace.unlink()

    wave("first")
    before = settled(look)
    assert len(wide_pool.members()) == SLOTS
    wave("second")
    assert holds_no_more_than(before, wide_pool), growth(before, look())
    below = descendants(wide_pool.process.pid)
    assert len(below) > SLOTS
    wide_pool.close()
    assert not any(alive(pid) for pid in below)


@pytest.mark.parametrize("moment", ["busy", "dying"])
def test_kill_9_in_the_middle_of_many_leaves_no_process(wide_pool: Pool, moment: str) -> None:
    for _ in range(2 * SLOTS):
        wide_pool.start(shell(LITTER + "wait", within=within()))
    assert eventually(lambda: len(descendants(wide_pool.process.pid)) > 3 * SLOTS)
    os.kill(wide_pool.process.pid, signal.SIGSTOP)  # or it would go on forking while we look
    below = descendants(wide_pool.process.pid)
    if moment == "dying":
        for pid in list(below)[: len(below) // 2]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    wide_pool.process.kill()
    wide_pool.process.wait()
    assert eventually(lambda: not any(alive(pid) for pid in below)), [pid for pid in below if alive(pid)]
