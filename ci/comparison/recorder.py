"""Runs inside the suite's own interpreter: plain pytest, and one JSON line for each test that it finishes.

Started as `python -c BOOTSTRAP REPORT ARGS...` instead of by `-p`, so that neither the environment nor sys.path is
different from that of `python -m pytest ARGS`. Knows Python 3.8 and pytest 7 on; imports nothing of the project.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

# pytest's own categories, from the best to the worst
RANKING = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")


def worst(categories: list[str]) -> str:
    """Return the worst of the categories of set-up, call and tear-down; `unknown` if there is none that we know."""
    known = [category for category in categories if category in RANKING]
    return max(known, key=RANKING.index) if known else "unknown"


class Recorder:
    """A pytest plugin that writes what became of each test, as soon as it is known."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.config: Any = None
        self.categories: list[str] = []
        self.started = 0.0
        self.seen: dict[str, int] = {}

    def pytest_configure(self, config: Any) -> None:
        """Keep the configuration: its hooks know the categories."""
        self.config = config

    def pytest_runtest_logstart(self) -> None:
        """Begin a test."""
        self.categories = []
        self.started = time.monotonic()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take one report of the test: of a phase, or of a subtest."""
        category = self.config.hook.pytest_report_teststatus(report=report, config=self.config)[0]
        if category.startswith("subtests "):  # only a failed one says something about the test
            category = "failed" if report.failed else ""
        self.categories.append(category)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """End a test: write its line."""
        self.write(nodeid, worst(self.categories), time.monotonic() - self.started)

    def pytest_collectreport(self, report: Any) -> None:
        """Write what could not be collected, or was skipped as a whole, as if it were a test."""
        if report.failed:
            self.write(report.nodeid, "error", 0.0)
        elif report.skipped:
            self.write(report.nodeid, "skipped", 0.0)

    def write(self, nodeid: str, outcome: str, duration: float) -> None:
        """Write one line; the same node id may come more than once: `index` counts.

        The file is not kept open: a test may count, or close, the descriptors of its process.
        """
        index = self.seen.get(nodeid, 0)
        self.seen[nodeid] = index + 1
        record = {"nodeid": nodeid, "index": index, "outcome": outcome, "duration": round(duration, 4)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def main() -> int:
    """Run pytest with the arguments after the report's path, as `python -m pytest` would."""
    import pytest

    report = sys.argv[1]
    sys.argv[:] = [str(Path(pytest.__file__).parent / "__main__.py"), *sys.argv[2:]]
    sys.path[0] = str(Path.cwd())
    return int(pytest.main(plugins=[Recorder(report)]))


if __name__ == "__main__":
    raise SystemExit(main())
