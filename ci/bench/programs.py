"""The programs that benchmarks start: the spawn loop in C, whole commands, commands under strace.

Imports nothing of the project: maelstrom-run is a command like any other here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.bench.measure import Sample

REPOSITORY = Path(__file__).parent.parent.parent
BUILD = REPOSITORY / "build" / "bench"
SPAWN_SOURCE = Path(__file__).parent / "spawn.c"
TRUE = "/bin/true"


class BenchError(Exception):
    """A benchmark cannot be measured here; the message says what is missing or what failed."""


class PeerError(BenchError):
    """What we are compared with is not here, or does not work here: nobody's failure, and said."""


def run(command: list[str], stdin: bytes = b"") -> bytes:
    """Run a command to its end; return its stdout.

    Raises BenchError if it cannot be started or fails.
    """
    # A start without bytecode would be one of the compiler: whoever installs a package has its bytecode.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, env=environment)
    except OSError as error:
        raise BenchError(f"cannot start {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip()[-500:]
        raise BenchError(f"{' '.join(command)} failed with exit code {done.returncode}: {last}")
    return done.stdout


def spawn_program() -> str:
    """Return the path of the compiled spawn loop, compiling it if it is not there or older than its source."""
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "spawn"
    if not program.exists() or program.stat().st_mtime < SPAWN_SOURCE.stat().st_mtime:
        fresh = BUILD / f"spawn.{os.getpid()}"  # renamed when complete: two benchmarks may compile at once
        run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-o", str(fresh), str(SPAWN_SOURCE)])
        fresh.replace(program)
    return str(program)


def spawn_loop(count: int, processes: int = 1, command: tuple[str, ...] = (TRUE,)) -> tuple[float, float]:
    """Run the spawn loop on a command; return microseconds per spawn of one loop, and spawns/s of all loops."""
    words = run([spawn_program(), str(count), str(processes), *command]).decode().split()
    return float(words[0]), float(words[2])


@contextmanager
def spawn_microseconds(count: int) -> Iterator[Sample]:
    """Yield the reference in microseconds per spawn: one loop."""
    spawn_program()
    yield lambda: spawn_loop(count)[0]


@contextmanager
def spawns_per_second(count: int, processes: int) -> Iterator[Sample]:
    """Yield the reference in spawns per second: `processes` loops."""
    spawn_program()
    yield lambda: spawn_loop(count, processes)[1]


def command_milliseconds(command: list[str], stdin: bytes = b"", repeat: int = 5) -> float:
    """Run a whole command `repeat` times; return the mean of its wall clock time in milliseconds."""
    start = time.perf_counter()
    for _ in range(repeat):
        run(command, stdin)
    return (time.perf_counter() - start) * 1e3 / repeat


def python_start() -> list[str]:
    """Return the command that does nothing in the Python that runs ours."""
    return [sys.executable, "-c", "pass"]


def maelstrom_run(*options: str) -> list[str]:
    """Return the command that starts the maelstrom-run beside this Python, with a cache of its own."""
    program = Path(sys.executable).parent / "maelstrom-run"
    return [str(program), "--cache-root", str(cache_directory()), *options]


def cache_directory() -> Path:
    """Return the cache that all benchmarks share: warm after the first, never the user's own."""
    cache = BUILD / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def system_calls(command: list[str], stdin: bytes = b"") -> int:
    """Return how many system calls a command and everything below it make. Needs strace."""
    with tempfile.NamedTemporaryFile("r", prefix="maelstrom-strace-") as summary:
        run(["strace", "-c", "-f", "-qq", "-o", summary.name, *command], stdin)
        return count_calls(summary.read())


def count_calls(summary: str) -> int:
    """Add up the calls column of `strace -c`; its rows are: % time, seconds, usecs/call, calls, [errors,] name."""
    calls = 0
    for line in summary.splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            calls += int(words[3])
    return calls
