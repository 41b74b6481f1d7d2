"""syscalls: system calls per job of maelstrom-run and everything below it, against those of the spawn loop in C.

Counted, not timed, hence steady on a noisy machine. Two streams of different length are counted; their difference is
free of what starting and ending the program costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample
from ci.bench.programs import TRUE, maelstrom_run, spawn_program, system_calls

FEW = 20
MANY = 220


def per_job(count: Callable[[int], int]) -> float:
    """Return the calls per job, given how many calls a number of jobs takes."""
    return (count(MANY) - count(FEW)) / (MANY - FEW)


@contextmanager
def ours() -> Iterator[Sample]:
    """Yield calls per job of a stream with one slot."""
    from ci.bench import jobs

    line = jobs.as_json(jobs.job())
    command = maelstrom_run("--slots", "1")
    yield lambda: per_job(lambda jobs_run: system_calls(command, line * jobs_run))


@contextmanager
def reference() -> Iterator[Sample]:
    """Yield calls per spawn of the loop."""
    program = spawn_program()
    yield lambda: per_job(lambda spawns: system_calls([program, str(spawns), "1", TRUE]))


BENCH = Bench(
    name="syscalls",
    what="system calls per job, strace -c -f; the spawn loop in C",
    unit="calls/job",
    better="less",
    reach=None,
    ours=ours,
    reference=reference,
    runs=1,
    warm_up=0,
)
