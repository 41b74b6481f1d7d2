"""The seccomp filter that pool members have and their jobs inherit."""

from __future__ import annotations

import errno

import msgspec

from maelstrom_core.job import Exited, Job
from maelstrom_core.spec import ProcMount, Seccomp
from tests.support.pool import Pool, container, python

PLACE = container(mounts=(ProcMount("/proc"),))
FILTERS = "print([line for line in open('/proc/self/status') if line.startswith('Seccomp')])"
KIND = f"""
{FILTERS}
import ctypes, os
print(ctypes.CDLL(None, use_errno=True).unshare(0x10000000), ctypes.get_errno())
"""


def said(pool: Pool, job: Job) -> str:
    outcome = pool.run(job)
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome
    return outcome.effects.stdout.data.decode()


def test_jobs_with_and_without_a_filter_take_turns(pool: Pool) -> None:
    confined = python(KIND, within=PLACE)
    free = python(KIND, within=msgspec.structs.replace(PLACE, seccomp=Seccomp.OFF))
    for _ in range(2):
        assert f"-1 {errno.EPERM}" in said(pool, confined)
        assert "0 0" in said(pool, free)


def test_however_many_jobs_ran_before_there_is_one_filter(pool: Pool) -> None:
    """What each adds would be run for each call of the next."""
    first, *others = [said(pool, python(FILTERS, within=PLACE)) for _ in range(5)]
    assert "Seccomp:\\t2" in first
    assert "Seccomp_filters:\\t1" in first or "Seccomp_filters" not in first  # 5.9
    assert set(others) == {first}
