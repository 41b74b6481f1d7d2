"""Whether two runs of a suite say the same to people and to other programs: counts, JUnit report, coverage. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ci.comparison import counts, coverage, junit
from ci.comparison.outcomes import Comparison

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What a run said beside its verdicts: what it printed, and its JUnit report."""

    output: str
    junit: bytes


@dataclass(frozen=True, slots=True)
class Agreement:
    """What differs of each, a line for each difference; None for what was not compared."""

    counts: Lines | None = None
    junit: Lines | None = None
    coverage: Lines | None = None
    explained: bool = False
    """Whether each step that was covered in one run only is what plain pytest does when the tests run alone."""

    @property
    def lines(self) -> Lines:
        """All differences."""
        return tuple(line for found in (self.counts, self.junit, self.coverage) for line in found or ())

    @property
    def equal(self) -> bool:
        """Whether nothing differs that tests which lean on each other do not explain."""
        return not (self.counts or self.junit or (self.coverage and not self.explained))

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table says of them."""
        found = (self.counts, self.junit, self.coverage)
        cells = ["" if lines is None else str(len(lines)) if lines else "same" for lines in found]
        return (*cells[:-1], cells[-1] + " explained" if self.coverage and self.explained else cells[-1])


def agree(native: Said, ours: Said, comparison: Comparison, *, covered: bool) -> Agreement:
    """Compare what two runs said. What is known of tests that lean on others, and of flaky ones, is no difference.

    Coverage is compared where it was measured. Raises ValueError for a JUnit report that cannot be read.
    """
    leaks = [difference for difference in comparison.differences if difference.leak]
    aside = _addresses([*(leak.test[0] for leak in leaks), *(nodeid for nodeid, _ in comparison.flaky)])
    theirs = counts.last_counts(native.output)
    expected = None if theirs is None else counts.expected(theirs, leaks)
    counted = None if comparison.flaky else tuple(counts.differing(expected, counts.last_counts(ours.output)))
    reported = junit.differing(junit.read(native.junit), junit.read(ours.junit), aside)
    tables = coverage.read(native.output), coverage.read(ours.output)
    return Agreement(counted, tuple(reported), tuple(coverage.differing(*tables)) if covered else None)


def _addresses(nodeids: Iterable[str]) -> set[junit.Address]:
    return {junit.address(nodeid) for nodeid in nodeids}
