"""Real suites: whole commands of maelstrom-pytest against plain pytest, pytest-xdist and pytest-forked, in turns.

    python -m ci.bench.suites --suite-command 'cd SUITE && env -i PATH=... python -m pytest -q tests' ... [--runs N]

prints a table in Markdown: seconds, ratios to xdist, geometric means. A suite is given as for ci/verdicts; what its
environment lacks (xdist, forked) is left out. Ours is run twice before it is measured: it remembers durations.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ci.comparison.suites import Suite, parse_command

PLUGINS = Path(__file__).parent / "plugins"
PROGRAM = Path(__file__).parent.parent.parent / ".venv" / "bin" / "maelstrom-pytest"

FORKED = ("--forked", "-n", "auto", "-p", "forked_reports", "-W", "ignore::ResourceWarning")
"""pytest-forked leaves files open, which counts as a failure in suites whose warnings are errors; see the plugin."""
PLAIN: dict[str, tuple[str, ...]] = {"plain": (), "xdist": ("-n", "auto"), "forked": FORKED}
OURS = ("test", "auto")
REFERENCE = "xdist"

Seconds = dict[str, float]


def command(suite: Suite, way: str) -> list[str]:
    """Return the command that runs a suite in a way."""
    if way in OURS:
        return [str(PROGRAM), "--isolation", way, "--", *suite.arguments]
    python = shutil.which(suite.python, path=suite.environment.get("PATH")) or suite.python
    return [python, "-m", "pytest", *PLAIN[way], *suite.arguments]


def seconds(suite: Suite, way: str) -> float | None:
    """Return how long a run takes; None where it did not end as one does that has run the tests."""
    environment = dict(suite.environment)
    if way == "forked":
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PLUGINS), environment.get("PYTHONPATH"))))
    start = time.perf_counter()
    done = subprocess.run(
        command(suite, way),
        cwd=suite.directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return time.perf_counter() - start if done.returncode in {0, 1} else None


def measure(
    suite: Suite,
    ways: Sequence[str],
    runs: int,
    take: Callable[[Suite, str], float | None] = seconds,
    *,
    warmed: bool = False,
) -> Seconds:
    """Return the median of each way that works, measured in turns; `warmed`: all have run before."""
    working = []
    for way in ways:
        times = 0 if warmed else 2 if way in OURS else 1
        if all(take(suite, way) is not None for _ in range(times)):
            working.append(way)
    values: dict[str, list[float]] = {way: [] for way in working}
    for _ in range(runs):
        for way in working:
            value = take(suite, way)
            if value is not None:
                values[way].append(value)
    return {way: statistics.median(found) for way, found in values.items() if found}


def table(results: dict[str, Seconds], ways: Sequence[str]) -> list[str]:
    """Return the lines of the table: seconds, ratios of ours to xdist, and their geometric means."""
    shown = [way for way in ways if any(way in result for result in results.values())]
    ratios = [way for way in OURS if way in shown and REFERENCE in shown]
    lines = [
        f"| suite | {' | '.join(f'{way}, s' for way in shown)} | {' | '.join(f'{way} / xdist' for way in ratios)} |",
        f"|---|{'---|' * (len(shown) + len(ratios))}",
    ]
    found: dict[str, list[float]] = {way: [] for way in ratios}
    for name, result in results.items():
        cells = [f"{result[way]:.1f}" if way in result else "" for way in shown]
        for way in ratios:
            if way in result and REFERENCE in result:
                found[way].append(result[way] / result[REFERENCE])
                cells.append(f"{found[way][-1]:.2f}")
            else:
                cells.append("")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    means = [f"{math.exp(statistics.fmean(map(math.log, values))):.2f}" for values in found.values() if values]
    if means:
        lines.append(f"| geometric mean | {' | '.join(['' for _ in shown] + means)} |")
    return lines


def main(words: Sequence[str] | None = None) -> int:
    """Measure all suites and print the table."""
    described = argparse.ArgumentParser(prog="python -m ci.bench.suites", description=__doc__.split("\n")[0])
    described.add_argument("--suite-command", action="append", required=True, metavar="CMD")
    described.add_argument("--runs", type=int, default=3, help="how often each way is measured (default: 3)")
    described.add_argument("--ways", nargs="+", choices=(*PLAIN, *OURS), default=[*PLAIN, *OURS])
    described.add_argument("--warmed", action="store_true", help="each way has run before: measure at once")
    options = described.parse_args(words)
    suites = [parse_command(each, str(Path.cwd()), dict(os.environ)) for each in options.suite_command]
    results: dict[str, Seconds] = {}
    for suite in suites:
        results[suite.name] = measure(suite, options.ways, options.runs, warmed=options.warmed)
        print(f"{suite.name}: {results[suite.name]}", file=sys.stderr, flush=True)
    print("\n".join(table(results, options.ways)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
