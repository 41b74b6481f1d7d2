"""forks: what a test costs in a fork of its own, against plain pytest: time, page faults, system calls.

The tests do nothing, and two numbers of them are run: the difference is free of what starting and ending a run costs.
Page faults are counted for the whole machine (/proc/vmstat): on a quiet one they are steady, as system calls are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.bench.measure import Bench, Sample
from ci.bench.programs import BUILD, cache_directory, run, system_calls

FEW = 100
MANY = 400

Cost = Callable[[list[str]], float]
"""Runs a command and returns what it cost."""


def suite(count: int) -> Path:
    """Return a directory with a suite of `count` tests that do nothing, in one file."""
    folder = BUILD / f"nothing-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    source = "import pytest\n\n\n@pytest.mark.parametrize('number', range({}))\ndef test_nothing(number):\n    pass\n"
    (folder / "test_nothing.py").write_text(source.format(count))
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def ours_command(count: int, *options: str) -> list[str]:
    """Return the command that runs a suite in forks, in the Python of the benchmark."""
    program = Path(sys.executable).parent / "maelstrom-pytest"
    own = ["--cache-root", str(cache_directory()), "--python", sys.executable, *options]
    return ["env", "-C", str(suite(count)), str(program), *own, "--", "-p", "no:cacheprovider"]


def plain_command(count: int, *options: str) -> list[str]:
    """Return the command that runs it under plain pytest."""
    arguments = ["-q", "-p", "no:cacheprovider", *options]
    return ["env", "-C", str(suite(count)), sys.executable, "-m", "pytest", *arguments]


def milliseconds(command: list[str]) -> float:
    """Return how long a command takes."""
    start = time.perf_counter()
    run(command)
    return (time.perf_counter() - start) * 1e3


def faults(command: list[str]) -> float:
    """Return how many page faults the machine sees while a command runs."""
    before = _page_faults()
    run(command)
    return _page_faults() - before


def _page_faults() -> int:
    for line in Path("/proc/vmstat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "pgfault":
            return int(value)
    return 0


@contextmanager
def per_test(command: Callable[[int], list[str]], cost: Cost) -> Iterator[Sample]:
    """Yield what one more test costs."""
    for count in (FEW, MANY):
        run(command(count))  # collections and durations are remembered from here on
    yield lambda: (cost(command(MANY)) - cost(command(FEW))) / (MANY - FEW)


def row(name: str, what: str, unit: str, cost: Cost, *, runs: int = 5) -> Bench:
    """Return one comparison of tests in forks, one at a time, with tests of plain pytest."""
    return Bench(
        name=name,
        what=f"{what} of a test that does nothing, in a fork of its own; in plain pytest",
        unit=unit,
        better="less",
        reach=None,
        ours=lambda: per_test(lambda count: ours_command(count, "--slots", "1"), cost),
        reference=lambda: per_test(plain_command, cost),
        runs=runs,
        warm_up=0,
    )


TIME = row("fork", "milliseconds", "ms", milliseconds)
FAULTS = row("fork-faults", "page faults", "faults", faults, runs=3)
SYSCALLS = row("fork-syscalls", "system calls", "calls", system_calls, runs=1)
