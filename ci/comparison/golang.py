"""Compares the verdicts of go test and maelstrom-go-test, test by test: what ci/verdicts-go runs.

Compared are the results of all tests, examples and fuzz targets (subtests belong to theirs), and which packages cannot
be built. Exit codes are those of ci/verdicts: a test that gets our verdict under go test too once it runs alone is a
leak, and no difference.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ci.comparison.outcomes import MISSING, Comparison, Difference, Test, compare, parse_report

REPOSITORY = Path(__file__).parent.parent.parent
BESIDE_US = REPOSITORY / ".venv" / "bin" / "maelstrom-go-test"
OUTCOMES = {"pass": "passed", "fail": "failed", "skip": "skipped"}
HEAD = f"| module | tests | same | different | of these leaks | go test s | maelstrom s |\n|{'---|' * 7}"


def parse_events(lines: Iterable[str]) -> dict[Test, str]:
    """Read what `go test -json` says: the result of each test, and of packages that failed without any test.

    Of a test that has begun and not ended, its package has failed in the middle of it.
    """
    found: dict[Test, str] = {}
    packages: dict[str, str] = {}
    for line in lines:
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        package, test, action = event.get("Package", ""), event.get("Test"), event.get("Action")
        if test is None:
            if action == "fail" and package:
                packages[package] = "error"
        elif "/" not in test and action == "run":
            found[f"{package} {test}", 0] = "failed"
        elif "/" not in test and action in OUTCOMES:
            found[f"{package} {test}", 0] = OUTCOMES[action]
    tested = {name.partition(" ")[0] for name, _ in found}
    return found | {(package, 0): outcome for package, outcome in packages.items() if package not in tested}


def run_native(directory: Path, arguments: Sequence[str], timeout: float) -> dict[Test, str]:
    """Run go test. Raises ValueError where it says nothing."""
    command = ["go", "test", "-json", "-count=1", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=timeout, check=False)
    found = parse_events(done.stdout.splitlines())
    if not found:
        raise ValueError(f"{directory}: go test reports nothing:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return found


def run_ours(directory: Path, program: Sequence[str], arguments: Sequence[str], timeout: float) -> dict[Test, str]:
    """Run maelstrom-go-test. Raises ValueError where it says nothing."""
    with tempfile.NamedTemporaryFile() as report:
        command = [*program, "--ui", "quiet", "--report", report.name, *arguments]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=timeout, check=False)
        found = parse_report(Path(report.name).read_text().splitlines())
    if not found:
        raise ValueError(f"{directory}: maelstrom-go-test reports nothing:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return found


def is_test(directory: Path, difference: Difference, timeout: float) -> bool:
    """Tell whether go test would list a test: what a test runs by testing.RunTests looks like one, and is none."""
    package, _, test = difference.test[0].partition(" ")
    if difference.ours != MISSING or not test:
        return True
    command = ["go", "test", "-list", f"^{test}$", package]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=timeout, check=False)
    return done.returncode != 0 or test in done.stdout.split()


def with_alone(directory: Path, difference: Difference, timeout: float) -> Difference:
    """Return the difference with what go test says of the test when nothing else runs."""
    package, _, test = difference.test[0].partition(" ")
    try:
        alone = run_native(directory, [f"-run=^{test}$", package], timeout)
    except (ValueError, subprocess.TimeoutExpired):
        return difference
    return replace(difference, alone=alone.get(difference.test))


def compare_module(directory: Path, options: argparse.Namespace, arguments: Sequence[str]) -> tuple[str, bool]:
    """Run a module's tests both ways and print what differs; return its row, and whether all is equal."""
    begun = time.monotonic()
    natives = [run_native(directory, arguments, options.timeout) for _ in range(options.repeat)]
    between = time.monotonic()
    ours = run_ours(directory, shlex.split(options.maelstrom), arguments, options.timeout)
    ended = time.monotonic()
    found = compare(natives, ours)
    differing = [each for each in found.differences if is_test(directory, each, options.timeout)]
    tried = tuple(with_alone(directory, each, options.timeout) for each in differing)
    found = replace(found, differences=tried)
    for difference in found.differences:
        print(f"{directory.name}: {difference}")
    for test, _ in found.flaky:
        print(f"{directory.name}: {test}: not the same in {len(natives)} native runs")
    row = table_row(directory.name, found, (between - begun) / options.repeat, ended - between)
    return row, all(difference.leak for difference in found.differences)


def table_row(name: str, found: Comparison, native_seconds: float, our_seconds: float) -> str:
    """Return a row for the table above."""
    leaks = sum(difference.leak for difference in found.differences)
    cells = (name, found.tests, found.same, len(found.differences), leaks)
    return f"| {' | '.join(map(str, cells))} | {native_seconds:.1f} | {our_seconds:.1f} |"


def main(words: Sequence[str] | None = None) -> int:
    """Compare all modules; return the exit code."""
    given = list(sys.argv[1:] if words is None else words)
    split = given.index("--") if "--" in given else len(given)
    made = argparse.ArgumentParser(
        prog="ci/verdicts-go", description="Run modules under go test and maelstrom-go-test; compare the verdicts."
    )
    made.add_argument("directories", metavar="DIR", nargs="+", type=Path, help="a module; what follows -- goes to both")
    made.add_argument("--maelstrom", metavar="CMD", default=str(BESIDE_US), help="default: %(default)s")
    made.add_argument(
        "--repeat", metavar="N", type=int, default=1, help="native runs, to know flaky tests (default: 1)"
    )
    made.add_argument("--timeout", metavar="SECONDS", type=float, default=1800, help="for each run (default: 1800)")
    options = made.parse_args(given[:split])
    arguments = given[split + 1 :] or ["./..."]
    rows, all_equal, complete = [], True, True
    for directory in options.directories:
        try:
            row, equal = compare_module(directory.resolve(), options, arguments)
        except (ValueError, OSError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            complete = False
            continue
        rows.append(row)
        all_equal = all_equal and equal
    if rows:
        print("\n".join(["", HEAD, *rows]))
    return 3 if not complete else 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
