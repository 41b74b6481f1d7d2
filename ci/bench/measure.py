"""What a benchmark is, how two sides are measured fairly, and how the result reads.

Pure but for the sides it is given: it starts nothing, reads no clock, and imports nothing of the project.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

Sample = Callable[[], float]
"""Measures once; returns a value in the unit of its benchmark."""

Side = Callable[[], AbstractContextManager[Sample]]
"""Prepares what is not to be measured (a running pool, a compiled program) and cleans up after it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One comparison. `reach` bounds the ratio of ours to the reference; None where nothing is promised.

    Where there is no reference it bounds our value itself.
    """

    name: str
    what: str
    unit: str
    better: Literal["less", "more"]
    reach: float | None
    ours: Side
    reference: Side | None
    runs: int = 7
    warm_up: int = 1
    """Rounds that are thrown away first; 0 for what counts instead of timing."""


@dataclass(frozen=True, slots=True)
class Result:
    """The values of all rounds, in the order they were measured."""

    bench: Bench
    ours: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def ratio(self) -> float | None:
        """The median of ours over the median of the reference's; None where there is no reference."""
        return statistics.median(self.ours) / statistics.median(self.reference) if self.reference else None

    @property
    def reached(self) -> bool | None:
        """Whether the ratio, or our value, is on the promised side; None where nothing is promised."""
        if self.bench.reach is None:
            return None
        value = statistics.median(self.ours) if self.ratio is None else self.ratio
        return value <= self.bench.reach if self.bench.better == "less" else value >= self.bench.reach


def paired(prepare: Callable[[], AbstractContextManager[tuple[Sample, Sample]]]) -> tuple[Side, Side]:
    """Return the two sides, ours and the reference, of what is to be prepared only once, for both.

    `measure` prepares our side first and cleans it up last.
    """
    references: list[Sample] = []

    @contextmanager
    def ours() -> Iterator[Sample]:
        with prepare() as (sample, reference):
            references.append(reference)
            try:
                yield sample
            finally:
                references.clear()

    @contextmanager
    def other() -> Iterator[Sample]:
        yield references[-1]

    return ours, other


def measure(bench: Bench, runs: int | None = None) -> Result:
    """Measure both sides alternately, `runs` times each (default: the benchmark's own number).

    What disturbs the machine for a while thus disturbs both sides, and medians forget what disturbs a moment.
    """
    rounds = runs or bench.runs
    ours: list[float] = []
    reference: list[float] = []
    with ExitStack() as stack:
        sample_ours = stack.enter_context(bench.ours())
        sample_reference = stack.enter_context(bench.reference()) if bench.reference else None
        for _ in range(bench.warm_up + rounds):
            ours.append(sample_ours())
            if sample_reference is not None:
                reference.append(sample_reference())
    return Result(bench, tuple(ours[bench.warm_up :]), tuple(reference[bench.warm_up :]))


def as_line(result: Result) -> str:
    """Return the one line for people."""
    name, unit, ours = result.bench.name, result.bench.unit, statistics.median(result.ours)
    if result.ratio is None:
        return f"{name} value={ours:.3g} {unit}"
    reference = statistics.median(result.reference)
    return f"{name} ratio={result.ratio:.3g} (ours {ours:.4g} {unit}, reference {reference:.4g} {unit})"


def as_record(result: Result) -> dict[str, object]:
    """Return the same for programs, with every value measured."""
    return {
        "name": result.bench.name,
        "ratio": result.ratio,
        "ours": statistics.median(result.ours),
        "reference": statistics.median(result.reference) if result.reference else None,
        "unit": result.bench.unit,
        "better": result.bench.better,
        "reach": result.bench.reach,
        "reached": result.reached,
        "ours_values": result.ours,
        "reference_values": result.reference,
    }
