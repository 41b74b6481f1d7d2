"""one-shot: a whole `maelstrom-run --one` of /bin/true, caches warm, against the start of Python and a bare spawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample
from ci.bench.programs import command_milliseconds, maelstrom_run, python_start, spawn_loop, spawn_program


@contextmanager
def ours() -> Iterator[Sample]:
    """Yield milliseconds of the command."""
    from ci.bench import jobs

    spec = jobs.as_json(jobs.job())
    command = maelstrom_run("--one")
    yield lambda: command_milliseconds(command, spec)


@contextmanager
def python() -> Iterator[Sample]:
    """Yield milliseconds of `python -c pass`."""
    command = python_start()
    yield lambda: command_milliseconds(command)


@contextmanager
def bare_spawn() -> Iterator[Sample]:
    """Yield milliseconds of one bare spawn."""
    spawn_program()
    yield lambda: spawn_loop(200)[0] / 1e3


AGAINST_PYTHON = Bench(
    name="one-shot",
    what="maelstrom-run --one of /bin/true, the whole command; python -c pass",
    unit="ms",
    better="less",
    reach=6.0,
    ours=ours,
    reference=python,
    runs=9,
)

AGAINST_SPAWN = Bench(
    name="one-shot-spawns",
    what="the same; one bare spawn in C",
    unit="ms",
    better="less",
    reach=100.0,
    ours=ours,
    reference=bare_spawn,
    runs=9,
)
