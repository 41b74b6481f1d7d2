"""Whole commands over real projects, measured in turns: medians, and a table in Markdown with ratios and means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

Seconds = dict[str, float]
"""By way of running a project."""
OURS = ("test", "auto")
"""Our ways, by their isolation."""


def measure(take: Callable[[str], float | None], ways: Sequence[str], runs: int, *, warmed: bool = False) -> Seconds:
    """Return the median of each way that works; `take` runs one of them, `warmed`: all have run before.

    Ours is run twice before it is measured: it remembers durations.
    """
    working = []
    for way in ways:
        times = 0 if warmed else 2 if way in OURS else 1
        if all(take(way) is not None for _ in range(times)):
            working.append(way)
    values: dict[str, list[float]] = {way: [] for way in working}
    for _ in range(runs):
        for way in working:
            value = take(way)
            if value is not None:
                values[way].append(value)
    return {way: statistics.median(found) for way, found in values.items() if found}


def table(results: dict[str, Seconds], ways: Sequence[str], reference: str, *, kind: str) -> list[str]:
    """Return the lines of the table: seconds, ratios of ours to the reference, and their geometric means."""
    shown = [way for way in ways if any(way in result for result in results.values())]
    ratios = [way for way in OURS if way in shown and reference in shown]
    heads = [f"{way} / {reference}" for way in ratios]
    lines = [
        f"| {' | '.join([kind, *(f'{way}, s' for way in shown), *heads])} |",
        f"|---|{'---|' * (len(shown) + len(ratios))}",
    ]
    found: dict[str, list[float]] = {way: [] for way in ratios}
    for name, result in results.items():
        cells = [f"{result[way]:.1f}" if way in result else "" for way in shown]
        for way in ratios:
            if way in result and reference in result:
                found[way].append(result[way] / result[reference])
                cells.append(f"{found[way][-1]:.2f}")
            else:
                cells.append("")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    means = [f"{math.exp(statistics.fmean(map(math.log, values))):.2f}" for values in found.values() if values]
    if means:
        lines.append(f"| geometric mean | {' | '.join(['' for _ in shown] + means)} |")
    return lines
