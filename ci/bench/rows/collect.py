"""collect: how long one waits for the first test when nothing has changed since the last run, against collecting.

Measured is the time to the first verdict, test and all, which is more than promised but can be seen from outside.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.bench.measure import Bench, Sample
from ci.bench.programs import BUILD, BenchError, cache_directory, run
from ci.bench.rows.forks import milliseconds

FILES = 100
TESTS = 25
SOURCE = """\
import asyncio, decimal, unittest.mock
import pytest


@pytest.mark.parametrize("number", range({}))
def test_nothing(number):
    pass
"""


def suite() -> Path:
    """Return a directory with a suite of many files."""
    folder = BUILD / f"files-{FILES}"
    if not folder.exists():  # written anew it would be another suite, and collected again
        folder.mkdir(parents=True)
        for number in range(FILES):
            (folder / f"test_{number}.py").write_text(SOURCE.format(TESTS))
        (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def first_verdict(command: list[str]) -> float:
    """Return the milliseconds until a run prints its first verdict; the rest of it is not waited for.

    Raises BenchError if there is none.
    """
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if b"...OK" in line:
                    return (time.perf_counter() - start) * 1e3
        finally:
            process.kill()
    raise BenchError(f"{' '.join(command)} printed no verdict")


@contextmanager
def ours() -> Iterator[Sample]:
    """Yield milliseconds to the first verdict of a run that is not the first."""
    program = Path(sys.executable).parent / "maelstrom-pytest"
    own = ["--cache-root", str(cache_directory()), "--python", sys.executable]
    command = ["env", "-C", str(suite()), str(program), *own, "--", "-p", "no:cacheprovider"]
    run(command)
    yield lambda: first_verdict(command)


@contextmanager
def collecting() -> Iterator[Sample]:
    """Yield milliseconds of pytest that collects the same suite."""
    arguments = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    command = ["env", "-C", str(suite()), sys.executable, "-m", "pytest", *arguments]
    yield lambda: milliseconds(command)


BENCH = Bench(
    name="collect",
    what=f"from the command to the first verdict, {FILES} files of {TESTS} tests, second run; pytest --collect-only -q",
    unit="ms",
    better="less",
    reach=1.3,
    ours=ours,
    reference=collecting,
)
