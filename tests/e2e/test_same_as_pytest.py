"""maelstrom-pytest says of suites of every kind what plain pytest says: each case, the counts, and whether all is fine.

Nothing here says what the verdicts are: both programs are run, in the same directory, with the same arguments.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.suites import SUITES, WITH_PLUGINS, Suite
from tests.support.cases import Cases, load_cases, load_totals
from tests.support.plugin_environment import plugin_python
from tests.support.programs import PATIENCE, PYTEST, Programs, write_project

CODES = {0: 0, 1: 1, 2: 2, 4: 2, 5: 5}
"""What we end with where pytest ends with this."""


THIS = Path(sys.executable)


class Said(NamedTuple):
    """What a program says of a suite."""

    code: int
    counts: str
    cases: Cases
    totals: dict[str, str | None]


def said_by_pytest(programs: Programs, directory: Path, arguments: Sequence[str], python: Path, report: Path) -> Said:
    # of the usual family pytest warns where a test records a property; it says the same of what is compared here
    options = ("-o", f"cache_dir={report.parent / 'cache'}", f"--junitxml={report}", "-o", "junit_family=xunit1")
    command = [str(python), "-m", "pytest", *options, *arguments]
    done = subprocess.run(
        command,
        cwd=directory,
        env=programs.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    last = done.stdout.strip().rpartition("\n")[2].strip("= ")
    counts = last.partition(" in ")[0]
    assert done.returncode in CODES, done.stdout + done.stderr
    counts = counts if re.match(r"\d", counts) else ""
    return Said(CODES[done.returncode], counts, load_cases(report), load_totals(report))


def said_by_us(
    programs: Programs, directory: Path, arguments: Sequence[str], report: Path, options: Sequence[str]
) -> tuple[Said, str]:
    done = programs.run(PYTEST, "--junit-xml", str(report), *options, "--", *arguments, cwd=directory)
    # where pytest did not get to its tests, the last words are its own
    counts = re.search(
        r"^(?:as pytest counts: |=+ (?=\d.* in [\d.]+s))(.*?)(?: in [\d.]+s.*)?$", done.out, re.MULTILINE
    )
    said = Said(done.code, counts.group(1) if counts else "", load_cases(report), load_totals(report))
    return said, done.out + done.err


def check_same(
    programs: Programs, root: Path, suite: Suite, python: Path = THIS, *, options: Sequence[str] = ()
) -> None:
    write_project(root / "project", suite.files)
    directory = root / "project" / suite.directory
    expected = said_by_pytest(programs, directory, suite.arguments, python, root / "native.xml")
    ours, text = said_by_us(
        programs, directory, suite.arguments, root / "ours.xml", ("--python", str(python), *options)
    )
    assert expected.cases.total() == suite.cases, expected
    assert ours.cases == expected.cases, text
    assert ours.totals == expected.totals, text
    assert ours.counts == expected.counts, text
    assert ours.code == expected.code, text


@pytest.mark.parametrize("name", SUITES)
def test_cases_counts_and_end_are_those_of_pytest(programs: Programs, tmp_path: Path, name: str):
    check_same(programs, tmp_path, SUITES[name])


def part(text: str, start: str, end: str) -> list[str]:
    """Return the lines of a text between two that have these in them."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if start in line)
    last = next(number for number, line in enumerate(lines) if number > first and end in line)
    return [line for line in lines[first:last] if line.strip()]


def test_ap6_warnings_are_summed_up_as_pytest_does(programs: Programs, project: Path):
    write_project(project, SUITES["warnings"].files)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    native = subprocess.run(
        command, cwd=project, env=programs.environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    ours = programs.run(PYTEST, cwd=project).check(1)
    said = part(ours.out, " warnings summary ", " Test Summary ")
    expected = part(native.stdout, " warnings summary ", "-- Docs: ")
    assert len(expected) > 30
    assert [line.strip("= ") for line in sorted(said)] == [line.strip("= ") for line in sorted(expected)]
    counted = programs.run(PYTEST, "--", "--disable-warnings", cwd=project).check(1)
    assert "warnings summary" not in counted.out


def test_failures_have_their_log_and_output_and_dash_r_lists_what_pytest_lists(programs: Programs, project: Path):
    write_project(project, SUITES["every kind"].files)
    done = programs.run(PYTEST, "test_kinds.py", "--", "-rA", cwd=project).check(1)
    failure = part(done.out, "___ test_logs ___", "test_kinds.py::")
    assert any("Captured log call" in line for line in failure)
    assert any(line.startswith("WARNING  root:test_kinds.py:") for line in failure)
    assert "printed" in failure
    assert "of one that passes" in done.out
    assert "    test_kinds.py::test_xfail: XFAIL (a bug)" in done.out
    assert "    test_kinds.py::test_xpass: XPASS (was one)" in done.out
    assert "    test_kinds.py::test_prints: OK" in done.out
    assert "    test_kinds.py::test_skip: ignored (not now)" in done.out
    plain = programs.run(PYTEST, "test_kinds.py", cwd=project).check(1)
    assert "of one that passes" not in plain.out
    assert "a bug" not in plain.out


@pytest.mark.parametrize("name", ["doctest items", "unittest", "subtests", "a plugin", "every kind"])
def test_so_they_are_without_templates(programs: Programs, tmp_path: Path, name: str):
    check_same(programs, tmp_path, SUITES[name], options=("--no-template",))


@pytest.fixture(scope="session")
def python_with_plugins(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    base = tmp_path_factory.getbasetemp()
    return plugin_python(base if worker_id == "master" else base.parent)


@pytest.mark.timeout(900)  # the first fills the environment
@pytest.mark.parametrize("name", WITH_PLUGINS)
def test_so_they_are_with_plugins(programs: Programs, tmp_path: Path, name: str, python_with_plugins: Path):
    check_same(programs.with_plugins, tmp_path, WITH_PLUGINS[name], python_with_plugins)
