"""pytest: the whole command over a suite of tests that do nothing, against pytest-xdist on all cores.

The hardest case for us: a fork costs more than such a test. For real suites see `python -m ci.bench.suites`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample
from ci.bench.programs import run
from ci.bench.rows.forks import milliseconds, ours_command, plain_command

COUNT = 1000


@contextmanager
def ours(isolation: str) -> Iterator[Sample]:
    """Yield milliseconds of a run that is not the first."""
    command = ours_command(COUNT, "--isolation", isolation)
    for _ in range(2):
        run(command)
    yield lambda: milliseconds(command)


@contextmanager
def xdist() -> Iterator[Sample]:
    """Yield milliseconds of pytest with a worker for each core."""
    command = plain_command(COUNT, "-n", "auto")
    yield lambda: milliseconds(command)


def row(name: str, isolation: str) -> Bench:
    """Return the comparison for a level of isolation."""
    return Bench(
        name=name,
        what=f"{COUNT} tests that do nothing, isolation = {isolation}; pytest -n auto",
        unit="ms",
        better="less",
        reach=None,
        ours=lambda: ours(isolation),
        reference=xdist,
        runs=3,
    )


TEST = row("pytest", "test")
AUTO = row("pytest-auto", "auto")
