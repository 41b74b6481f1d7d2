"""The command line of ci/verdicts: which suites, which programs, what to print, which exit code.

Compared are the outcome of each test, what the last line counts, the JUnit reports, and coverage where it is wanted; of
a sample only the outcomes. Exit code 0 when all is the same, but for tests that get our outcome under plain pytest too,
or cover what they cover here, once they run alone (they were leaning on other tests: leaks); 1 when something is not,
2 for a wrong command line, 3 when a run left nothing to compare or did not end as a complete one does.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ci.comparison.agreement import Agreement, agree
from ci.comparison.leaks import Measured, explained, with_alone
from ci.comparison.outcomes import TABLE_HEAD, choose, compare, restrict, table_row
from ci.comparison.runs import Run, RunError, run_native, run_ours
from ci.comparison.suites import Suite, measured, parse_command

REPOSITORY = Path(__file__).parent.parent.parent
BESIDE_US = REPOSITORY / ".venv" / "bin" / "maelstrom-pytest"

EXAMPLES = """examples:
  ci/verdicts ~/src/project
  ci/verdicts --python venv/bin/python ~/src/project -- tests -m 'not slow'
  ci/verdicts --coverage project --python venv/bin/python ~/src/project
  ci/verdicts --suite-command 'cd ~/src/project && env LANG=C.UTF-8 venv/bin/python -m pytest tests' --sample 50
"""


def parser() -> argparse.ArgumentParser:
    """Return the description of the command line."""
    made = argparse.ArgumentParser(
        prog="ci/verdicts",
        description="Run suites under plain pytest and maelstrom-pytest; compare outcomes, counts and reports.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "directories", metavar="DIR", nargs="*", help="where pytest is run; what follows -- goes to pytest"
    )
    made.add_argument(
        "--suite-command",
        metavar="CMD",
        action="append",
        default=[],
        help="a suite as the command line that runs it: [cd DIR &&] [env [-i] NAME=VALUE ...] PYTHON -m pytest ...",
    )
    made.add_argument(
        "--python", default="python", help="interpreter of the suites given as DIR (default: python on PATH)"
    )
    made.add_argument("--maelstrom", metavar="CMD", default=default_program(), help="default: %(default)s")
    made.add_argument(
        "--coverage",
        metavar="SOURCE",
        action="append",
        default=[],
        help="compare coverage, too, of this package or directory, by the pytest-cov of the suite's environment",
    )
    made.add_argument("--sample", metavar="N", type=int, help="compare only N tests, chosen at random")
    made.add_argument("--seed", type=int, default=0, help="of that choice (default: 0)")
    made.add_argument(
        "--repeat", metavar="N", type=int, default=1, help="native runs, to know flaky tests (default: 1)"
    )
    made.add_argument("--timeout", metavar="SECONDS", type=float, default=1800, help="for each run (default: 1800)")
    made.add_argument(
        "--alone",
        metavar="N",
        type=int,
        default=200,
        help="tests to run alone under plain pytest, to tell leaks from faults of ours: of those that differ,"
        " and for each step in the code that one run only covered (default: 200)",
    )
    made.add_argument(
        "--show", metavar="N", type=int, default=50, help="differences to print for a suite (default: 50)"
    )
    return made


def default_program() -> str:
    """Return the maelstrom-pytest of this repository's environment, or the one on PATH."""
    return str(BESIDE_US) if BESIDE_US.exists() else "maelstrom-pytest"


def suites(options: argparse.Namespace, arguments: Sequence[str]) -> list[Suite]:
    """Return the suites that the command line names. Raises ValueError for a command that cannot be read."""
    here, environment = str(Path.cwd()), dict(os.environ)
    named = [Suite(str(Path(d).resolve()), options.python, tuple(arguments), environment) for d in options.directories]
    commanded = [parse_command(command, here, environment) for command in options.suite_command]
    return named + commanded


def compare_suite(suite: Suite, options: argparse.Namespace) -> tuple[str, bool, bool]:
    """Run a suite both ways and print what differs.

    Returns its row, whether all is equal, and whether all runs were complete. Raises RunError.
    """
    plain, data = suite, Path(f"/tmp/maelstrom-verdicts-{os.getpid()}.coverage")
    if options.coverage:
        suite = measured(suite, options.coverage, str(data))
    files = Measured(suite, data, data.with_suffix(".native"), data.with_suffix(".ours"))
    try:
        return _compare(plain, files, options)
    finally:
        files.remove()


def _compare(plain: Suite, files: Measured, options: argparse.Namespace) -> tuple[str, bool, bool]:
    suite = files.suite
    natives = [run_native(suite, options.timeout) for _ in range(max(1, options.repeat))]
    keep(files.data, files.native)
    nodeids = None if options.sample is None else choose(natives[0].outcomes, options.sample, options.seed)
    ours = run_ours(suite, shlex.split(options.maelstrom), nodeids, options.timeout)
    keep(files.data, files.ours)
    known = [run.outcomes if nodeids is None else restrict(run.outcomes, nodeids) for run in natives]
    comparison = compare(known, ours.outcomes)
    tried = [with_alone(plain, each, options.timeout) for each in comparison.differences[: options.alone]]
    comparison = replace(comparison, differences=(*tried, *comparison.differences[options.alone :]))
    agreement = Agreement()
    if nodeids is None:
        try:
            agreement = agree(natives[0].said, ours.said, comparison, covered=bool(options.coverage))
        except ValueError as error:
            raise RunError(f"{suite.name}: a JUnit report cannot be read: {error}") from error
        if agreement.coverage:
            agreement = explained(agreement, files, options.alone, options.timeout)
    show(suite, [*map(str, comparison.differences)], options.show)
    show(suite, agreement.lines, options.show)
    for nodeid, _ in comparison.flaky[: options.show]:
        print(f"{suite.name}: {nodeid}: not the same in {len(natives)} native runs")
    complete = all([well_ended(suite, "plain pytest", natives[0]), well_ended(suite, "maelstrom-pytest", ours)])
    row = table_row(suite.name, comparison, agreement.cells, natives[0].seconds, ours.seconds)
    equal = agreement.equal and all(difference.leak for difference in comparison.differences)
    return row, equal, complete


def keep(data: Path, place: Path) -> None:
    """Move what a run has measured out of the way of the next one, if it has measured anything."""
    if data.exists():
        data.replace(place)


def show(suite: Suite, lines: Sequence[str], limit: int) -> None:
    """Print lines about a suite, and how many more there are."""
    for line in lines[:limit]:
        print(f"{suite.name}: {line}")
    if len(lines) > limit:
        print(f"{suite.name}: ... and {len(lines) - limit} more")


def well_ended(suite: Suite, who: str, run: Run) -> bool:
    """Tell whether a run was complete; if not, print how it ended."""
    if not run.complete:
        print(f"{suite.name}: {who} ended with exit code {run.exit_code}:\n{run.output[-2000:]}", file=sys.stderr)
    return run.complete


def main(words: Sequence[str] | None = None) -> int:
    """Compare all suites; return the exit code described above."""
    given = list(sys.argv[1:] if words is None else words)
    split = given.index("--") if "--" in given else len(given)
    described = parser()
    options = described.parse_args(given[:split])
    try:
        chosen = suites(options, given[split + 1 :])
    except ValueError as error:
        described.error(str(error))
    if not chosen:
        described.error("no suite: name a DIR or give a --suite-command")
    rows, all_equal, all_complete = [], True, True
    for suite in chosen:
        try:
            row, equal, complete = compare_suite(suite, options)
        except RunError as error:
            print(error, file=sys.stderr)
            all_complete = False
            continue
        rows.append(row)
        all_equal, all_complete = all_equal and equal, all_complete and complete
    if rows:
        print("\n".join(["", TABLE_HEAD, *rows]))
    return 3 if not all_complete else 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
