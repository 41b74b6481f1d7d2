"""A job's process serves the next one when everything is as it was before, and the next one cannot tell."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maelstrom_core.job import Cancelled, Exited, Outcome, Signaled, TimedOut
from maelstrom_core.spec import Limits
from tests.integration.templates.conftest import MakeJob
from tests.support.pool import Pool
from tests.support.programs import alive, descendants

UNDONE = (
    *("nothing", "heap", "map", "drop", "write", "load", "stack", "rounding", "signals", "timer"),
    *("thread", "living thread", "child", "tmp"),
)
"""Deeds that are undone, in the same process."""
LAST = (
    *("unmap", "protect", "deaf thread", "living child", "dead child", "orphan", "root", "deeper", "moved"),
    *(
        "descriptor",
        "other descriptor",
        "non-blocking",
        "umask",
        "directory",
        "limit",
        "nice",
        "name",
        "hidden",
        "shared memory",
    ),
    *("queue", "socket", "timers"),
)
"""Deeds that a process does not survive."""


ATTEMPTS = 10
JOBS = 150
NICEST = 19


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(slots=1)
    yield pool
    pool.close()


def look(pool: Pool, deed: MakeJob, **more: Any) -> tuple[str, str]:
    """Return what a job sees of itself, and which process it is: its namespaces, and the tick in which it began."""
    outcome = pool.run(deed("look", **more))
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 7
    seen, process = outcome.effects.stdout.data.decode().splitlines()
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))  # so that whatever begins later begins in another tick
    return seen, process


def code(outcome: Outcome) -> int:
    assert isinstance(outcome, Exited), outcome
    return outcome.code


@pytest.mark.parametrize("name", UNDONE)
def test_what_a_job_did_is_undone(pool: Pool, deed: MakeJob, name: str) -> None:
    def is_same_process() -> bool:
        before = look(pool, deed)
        for _ in range(3):
            assert code(pool.run(deed(name))) == 7
        after = look(pool, deed)
        assert after[0] == before[0]
        return after[1] == before[1]

    # who waits for the end of a thread, or for what the kernel does later, gives up some day, on a busy machine early
    assert any(is_same_process() for _ in range(ATTEMPTS))


@pytest.mark.parametrize("name", LAST)
def test_what_cannot_be_undone_is_the_end_of_its_process(pool: Pool, deed: MakeJob, name: str) -> None:
    if name == "nice" and os.nice(0) == NICEST:
        pytest.skip("these tests run with the lowest priority already, and a job cannot change it")
    seen, process = look(pool, deed)
    assert code(pool.run(deed(name))) == 7
    assert look(pool, deed)[0] == seen
    assert look(pool, deed)[1] != process


def test_memory_is_found_as_it_was_whatever_was_done_to_it(pool: Pool, deed: MakeJob) -> None:
    """Long enough for pages that most jobs write to, and that are put back unseen, to be watched again."""
    draw = random.Random(1)
    assert [code(pool.run(deed(f"scatter {draw.randrange(10**6)}"))) for _ in range(JOBS)] == [7] * JOBS


@pytest.mark.parametrize("program", ["deeds"], indirect=True)
def test_the_kernel_is_asked_what_was_written_to_where_it_can_tell(pool: Pool, deed: MakeJob) -> None:
    version = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    if version < (6, 7):
        pytest.skip("Linux 6.7 was the first that can tell")

    def is_same_process() -> bool:
        before = look(pool, deed)
        assert [code(pool.run(deed(name))) for name in ("watched", "scatter 1", "scatter 2", "watched")] == [7] * 4
        return look(pool, deed) == before

    assert any(is_same_process() for _ in range(ATTEMPTS))


def test_limits_are_those_of_the_next_job_too(pool: Pool, deed: MakeJob) -> None:
    limited = {"limits": Limits(open_files=64, processes=50, file_size=4096, stack_size=8 << 20)}
    assert look(pool, deed, fields=limited) == look(pool, deed, fields=limited)


def test_a_process_whose_time_is_limited_serves_one_job(pool: Pool, deed: MakeJob) -> None:
    """What one job uses of it the next one would not have."""
    limited = {"limits": Limits(cpu_time=1000)}
    assert look(pool, deed, fields=limited)[1] != look(pool, deed, fields=limited)[1]


@pytest.mark.parametrize("name", ["replace", "free"])
def test_memory_that_was_given_back_is_there_again(pool: Pool, deed: MakeJob, name: str) -> None:
    seen, _ = look(pool, deed)
    assert code(pool.run(deed(name))) == 7
    assert look(pool, deed)[0] == seen


def test_a_job_that_ends_by_itself_has_its_own_end(pool: Pool, deed: MakeJob) -> None:
    before = look(pool, deed)
    assert code(pool.run(deed("exit"))) == 4
    outcome = pool.run(deed("crash"))
    assert isinstance(outcome, Signaled)
    assert look(pool, deed)[0] == before[0]


def test_a_process_that_is_killed_while_it_waits_costs_a_retry(pool: Pool, deed: MakeJob) -> None:
    before = look(pool, deed)
    for pid in filter(alive, descendants(pool.process.pid)):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            os.kill(pid, signal.SIGKILL)
    assert look(pool, deed)[0] == before[0]
    assert look(pool, deed)[1] != before[1]


def test_a_process_that_serves_again_can_be_killed(pool: Pool, deed: MakeJob) -> None:
    before = look(pool, deed)
    outcome = pool.run(deed("lie", timeout=0.3))
    assert isinstance(outcome, TimedOut), outcome
    number = pool.start(deed("lie"))
    pool.cancel(number)
    assert pool.wait(number) == Cancelled()
    assert look(pool, deed)[0] == before[0]
