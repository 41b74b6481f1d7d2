"""Says which steps from line to line only one of two runs went, and whether tests that run alone explain that.

A table says how many lines of a file are missed; the data behind it, which steps each test went. A step that only the
native run went explains itself if no test that went it there has to when it runs alone: it leant on others. One that
only ours went, if a test that went it does so natively as well, once it is alone. A test that goes other ways through
the file each time has drawn lots. Pure, but for `read`, which reads the data of coverage.py (its format is documented:
https://coverage.readthedocs.io/en/latest/dbschema.html).
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

Step = tuple[int, int]
"""From which line to which; a line twice where only lines were measured."""

Steps = Mapping[Step, frozenset[str]]
"""Of a file, each step that was gone, and the node ids of the tests that went it; an empty one for none of them."""

Alone = Callable[[str, int], Mapping[str, Steps]]
"""Gives the steps in each file when a test runs alone for the n-th time; none where it cannot be run."""

TIMES = 3
"""How often a test runs alone before it is taken not to go a step, or to go the same steps each time."""

WITNESSES = 3
"""How many tests that went a step here run alone to find one that goes it natively."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A step that only one of two runs went."""

    file: str
    step: Step
    native: bool
    """Whether it was the native run."""
    tests: tuple[str, ...]


def read(data: Path, directory: str, files: Collection[str]) -> dict[str, Steps]:
    """Return the steps in these files, which are named as tables do: relative to the directory where pytest ran.

    Raises ValueError for a file that is not of coverage.py.
    """
    found: dict[str, dict[Step, set[str]]] = {}
    try:
        with closing(sqlite3.connect(f"file:{data}?mode=ro", uri=True)) as database:
            for number, path in database.execute("select id, path from file"):
                name = os.path.relpath(path, directory)
                if name in files:
                    found[name] = _steps(database, number)
    except sqlite3.Error as error:
        raise ValueError(f"{data} is no data of coverage.py: {error}") from error
    return {name: {step: frozenset(tests) for step, tests in steps.items()} for name, steps in found.items()}


def _steps(database: sqlite3.Connection, file: int) -> dict[Step, set[str]]:
    steps: defaultdict[Step, set[str]] = defaultdict(set)
    arcs = "select fromno, tono, context from arc join context on context.id = context_id where file_id = ?"
    for start, end, context in database.execute(arcs, (file,)):
        steps[start, end].add(_test(context))
    lines = "select numbits, context from line_bits join context on context.id = context_id where file_id = ?"
    for bits, context in database.execute(lines, (file,)):
        for line in (place * 8 + bit for place, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1):
            steps[line, line].add(_test(context))
    return steps


def _test(context: str) -> str:
    """Return the node id: pytest-cov appends the phase to it."""
    return context.rpartition("|")[0]


def strays(native: Mapping[str, Steps], ours: Mapping[str, Steps]) -> list[Stray]:
    """Return what only one of two runs went, by file and line."""
    found = []
    for file in sorted(native.keys() | ours.keys()):
        theirs, mine = native.get(file, {}), ours.get(file, {})
        for step in sorted(theirs.keys() ^ mine.keys()):
            tests = theirs.get(step, frozenset()) | mine.get(step, frozenset())
            found.append(Stray(file, step, step in theirs, tuple(sorted(tests))))
    return found


def explanation(stray: Stray, alone: Alone, limit: int) -> str | None:
    """Return why the step was gone in one run only, None where that is not known. Runs up to `limit` tests alone."""
    if "" in stray.tests or not stray.tests:
        return None
    if stray.native:
        if len(stray.tests) <= limit and all(_need_not_go(stray, test, alone) for test in stray.tests):
            return "no test has to go it alone"
        return None
    for test in stray.tests[:WITNESSES]:
        runs = [alone(test, time).get(stray.file, {}) for time in range(TIMES)]
        if any(stray.step in steps for steps in runs):
            return f"{test} goes it alone"
        if any(steps.keys() != runs[0].keys() for steps in runs):
            return f"{test} goes other ways each time"
    return None


def _need_not_go(stray: Stray, test: str, alone: Alone) -> bool:
    """Tell whether a test that runs alone does without a step once, or goes other ways each time.

    One that did not run at all tells nothing.
    """
    runs = []
    for time in range(TIMES):
        steps = alone(test, time)
        if not steps:
            return False
        runs.append(steps.get(stray.file, {}).keys())
        if stray.step not in runs[-1] or runs[-1] != runs[0]:
            return True
    return False


def told(found: Collection[tuple[Stray, str | None]]) -> list[str]:
    """Return a line for each step."""
    return [
        f"coverage: {stray.file}: from line {stray.step[0]} to {stray.step[1]}"
        f" only {'natively' if stray.native else 'here'}: {why or 'not explained'}"
        for stray, why in found
    ]
