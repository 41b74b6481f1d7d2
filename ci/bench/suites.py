"""Real suites: whole commands of maelstrom-pytest against plain pytest, pytest-xdist and pytest-forked, in turns.

    python -m ci.bench.suites --suite-command 'cd SUITE && env -i PATH=... python -m pytest -q tests' ... [--runs N]

prints a table in Markdown: seconds, ratios to xdist, geometric means. A suite is given as for ci/verdicts; what its
environment lacks (xdist, forked) is left out. Ours is run twice before it is measured: it remembers durations.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ci.bench.whole_commands import OURS, Seconds, measure, table
from ci.comparison.suites import Suite, parse_command

PLUGINS = Path(__file__).parent / "plugins"
PROGRAM = Path(__file__).parent.parent.parent / ".venv" / "bin" / "maelstrom-pytest"

FORKED = ("--forked", "-n", "auto", "-p", "forked_reports", "-W", "ignore::ResourceWarning")
"""pytest-forked leaves files open, which counts as a failure in suites whose warnings are errors; see the plugin."""
PLAIN: dict[str, tuple[str, ...]] = {"plain": (), "xdist": ("-n", "auto"), "forked": FORKED}
REFERENCE = "xdist"


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
        results[suite.name] = measure(partial(seconds, suite), options.ways, options.runs, warmed=options.warmed)
        print(f"{suite.name}: {results[suite.name]}", file=sys.stderr, flush=True)
    print("\n".join(table(results, options.ways, REFERENCE, kind="suite")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
