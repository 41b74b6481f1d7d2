"""Decides what two runs of a suite have in common. Pure: records in, a comparison out."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Test = tuple[str, int]
"""A node id, and which of the tests of that node id: suites do have the same id twice."""

MISSING = "missing"
"""The outcome of a test that one of the runs does not know."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One test that did not get the same outcome."""

    test: Test
    native: str
    ours: str
    alone: str | None = None
    """The outcome under plain pytest when nothing else runs; None where that was not tried."""

    @property
    def leak(self) -> bool:
        """Whether plain pytest agrees with us once the test runs alone: it was leaning on other tests."""
        return self.alone == self.ours

    def __str__(self) -> str:
        """Return a line for people; the occurrence is named where there are several."""
        nodeid, index = self.test
        alone = f", native alone {self.alone}" if self.alone is not None else ""
        occurrence = f" (occurrence {index + 1})" if index else ""
        return f"{nodeid}{occurrence}: native {self.native}, maelstrom {self.ours}{alone}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of all tests that were compared. Tests that are flaky natively are in none of the others."""

    same: int
    differences: tuple[Difference, ...]
    flaky: tuple[Test, ...]

    @property
    def tests(self) -> int:
        """How many tests either run knows."""
        return self.same + len(self.differences) + len(self.flaky)


OUTCOMES = {
    "OK": "passed",
    "FAIL": "failed",
    "ERROR": "error",
    "IGNORED": "skipped",
    "XFAIL": "xfailed",
    "XPASS": "xpassed",
    "FLAKY": "flaky",
    "TIMEOUT": "timeout",
    "ERR": "crashed",
}
"""What pytest calls our status words; the last three are ours alone."""


def parse_report(lines: Iterable[str]) -> dict[Test, str]:
    """Read a report: one JSON object a line, of `recorder` (with `nodeid`, `outcome` and `index`), or events of ours.

    Occurrences of one node id are numbered in the order of their index (or of the lines), whatever the index counts.
    Lines that are no test are passed over. Raises ValueError where a line is not JSON.
    """
    found: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in lines:
        record = json.loads(line)
        result = _result(record) if isinstance(record, dict) else None
        if result is not None:
            nodeid, index, outcome = result
            occurrences = found[nodeid]
            occurrences.append((len(occurrences) if index is None else index, outcome))
    return {
        (nodeid, number): outcome
        for nodeid, occurrences in found.items()
        for number, (_, outcome) in enumerate(sorted(occurrences, key=lambda pair: pair[0]))
    }


def _result(record: dict[str, Any]) -> tuple[str, int | None, str] | None:
    """Return node id, index and outcome of a line that tells of one."""
    match record:
        case {"event": "finished", "test": {"name": name, **rest}, "status": status}:
            return str(name), int(str(rest.get("occurrence", 0))), OUTCOMES.get(status, str(status))
        case {"event": "skipped", "name": name}:
            return name, None, "skipped"
        case {"event": "collection-error", "name": name}:
            return name, None, "error"
        case {"nodeid": nodeid, "outcome": outcome}:
            return nodeid, record.get("index"), str(outcome)
    return None


def compare(natives: Sequence[dict[Test, str]], ours: dict[Test, str]) -> Comparison:
    """Compare ours to one or more native runs; a test whose native outcomes differ is flaky, and nobody's fault."""
    same = 0
    differences: list[Difference] = []
    flaky: list[Test] = []
    for test in sorted(ours.keys() | {test for native in natives for test in native}):
        outcomes = {native.get(test, MISSING) for native in natives}
        mine = ours.get(test, MISSING)
        if len(outcomes) > 1:
            flaky.append(test)
        elif outcomes == {mine}:
            same += 1
        else:
            differences.append(Difference(test, outcomes.pop(), mine))
    return Comparison(same, tuple(differences), tuple(flaky))


def choose(native: dict[Test, str], number: int, seed: int) -> list[str]:
    """Return `number` node ids (all, if there are fewer), the same ones for the same seed."""
    nodeids = sorted({nodeid for nodeid, _ in native})
    return sorted(random.Random(seed).sample(nodeids, min(number, len(nodeids))))


def restrict(outcomes: dict[Test, str], nodeids: Iterable[str]) -> dict[Test, str]:
    """Return the outcomes of these node ids only."""
    wanted = set(nodeids)
    return {test: outcome for test, outcome in outcomes.items() if test[0] in wanted}


TABLE_HEAD = (
    "| suite | tests | same | different | of these leaks | flaky natively "
    "| counts | junit | coverage | native s | maelstrom s |\n"
    f"|{'---|' * 11}"
)


def table_row(
    name: str, comparison: Comparison, agreement: Sequence[str], native_seconds: float, our_seconds: float
) -> str:
    """Return a row for the table above; `agreement` has its cells of counts, JUnit and coverage."""
    leaks = sum(difference.leak for difference in comparison.differences)
    cells = (
        name,
        comparison.tests,
        comparison.same,
        len(comparison.differences),
        leaks,
        len(comparison.flaky),
        *agreement,
    )
    return f"| {' | '.join(map(str, cells))} | {native_seconds:.1f} | {our_seconds:.1f} |"
