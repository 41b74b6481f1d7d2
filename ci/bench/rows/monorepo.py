"""monorepo, monorepo-again, monorepo-memory: many tests that do nothing, in many files.

How long one waits for the first verdict, in a run that nothing is known before and in one that has a run before it,
against collecting; and how much memory the client has needed when all tests have run. `collect` has a quarter of the
files, each of which imports more.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.bench.measure import Bench, Sample
from ci.bench.programs import BUILD, BenchError, run
from ci.bench.rows.collect import first_verdict
from ci.bench.rows.forks import milliseconds

PACKAGES = 20
FILES = 20
"""In each package."""
TESTS = 50
"""In each file."""
COUNT = PACKAGES * FILES * TESTS
WHAT = f"{COUNT} tests that do nothing, in {PACKAGES * FILES} files"
REMEMBERED = ("pytest-collections", "pytest-history")
"""What the cache knows of earlier runs."""
EVERY = 200
"""Lines of output after which the client's memory is looked at."""


def suite() -> Path:
    """Return a directory with the suite."""
    folder = BUILD / f"monorepo-{PACKAGES}-{FILES}-{TESTS}"
    if not folder.exists():  # written anew it would be another suite, and collected again
        source = "\n\n".join(f"def test_{number}():\n    pass\n" for number in range(TESTS))
        for package in range(PACKAGES):
            place = folder / f"package_{package}"
            place.mkdir(parents=True)
            (place / "__init__.py").write_text("")
            for number in range(FILES):
                (place / f"test_{number}.py").write_text(source)
        (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def cache() -> Path:
    """Return the cache of these rows: what it knows of earlier runs is theirs to forget."""
    place = BUILD / "monorepo-cache"
    place.mkdir(parents=True, exist_ok=True)
    return place


def command(*options: str) -> list[str]:
    """Return the command that runs the suite."""
    program = Path(sys.executable).parent / "maelstrom-pytest"
    ui = [] if "--ui" in options else ["--ui", "simple"]
    own = ["--cache-root", str(cache()), "--python", sys.executable, *ui, *options]
    return ["env", "-C", str(suite()), str(program), *own, "--", "-p", "no:cacheprovider"]


@contextmanager
def first_run() -> Iterator[Sample]:
    """Yield milliseconds to the first verdict where nothing is known of the suite."""

    def sample() -> float:
        for name in REMEMBERED:
            shutil.rmtree(cache() / name, ignore_errors=True)
        return first_verdict(command())

    yield sample


@contextmanager
def second_run() -> Iterator[Sample]:
    """Yield milliseconds to the first verdict of a run that has one before it."""
    run(command("--list"))
    yield lambda: first_verdict(command())


@contextmanager
def collecting() -> Iterator[Sample]:
    """Yield milliseconds of pytest that collects the same suite."""
    arguments = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    yield lambda: milliseconds(["env", "-C", str(suite()), sys.executable, "-m", "pytest", *arguments])


@contextmanager
def mebibytes() -> Iterator[Sample]:
    """Yield the most memory that the client has needed in a whole run."""
    yield lambda: peak_kibibytes(command("--report", "/dev/null", "--junit-xml", str(cache() / "junit.xml"))) / 1024


def peak_kibibytes(words: list[str]) -> int:
    """Run a command to its end, and return its peak of resident memory, its own only.

    Raises BenchError if it fails.
    """
    peak = 0
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if number % EVERY == 0 or b"Test Summary" in line:
                peak = max(peak, _peak(process.pid))
    if process.returncode:
        raise BenchError(f"{' '.join(words)} failed with exit code {process.returncode}")
    return peak


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


FIRST = Bench(
    name="monorepo",
    what=f"from the command to the first verdict, {WHAT}, first run; pytest --collect-only -q",
    unit="ms",
    better="less",
    reach=1.3,
    ours=first_run,
    reference=collecting,
    runs=5,
)

AGAIN = Bench(
    name="monorepo-again",
    what="the same, second run; pytest --collect-only -q",
    unit="ms",
    better="less",
    reach=1.3,
    ours=second_run,
    reference=collecting,
    runs=5,
)

MEMORY = Bench(
    name="monorepo-memory",
    what=f"peak memory of the client that has run {WHAT}, and written a JUnit report",
    unit="MiB",
    better="less",
    reach=500.0,
    ours=mebibytes,
    reference=None,
    runs=1,
    warm_up=0,
)
