"""`pytest --maelstrom` beside well-known plugins: what they report equals what they report of plain pytest."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.plugin import suite
from tests.e2e.plugin.conftest import Session
from tests.support.plugin_environment import plugin_python
from tests.support.programs import PYTEST, Programs, write_project

pytestmark = pytest.mark.timeout(900)  # the first of them fills the environment


@pytest.fixture(scope="session")
def environment(programs: Programs, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Session:
    """Return a pytest with plugins."""
    base = tmp_path_factory.getbasetemp()
    return Session(plugin_python(base if worker_id == "master" else base.parent), programs.with_plugins)


@pytest.fixture(scope="session")
def reports(environment: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the suite's directory with the reports of a run of plain pytest, and of one in containers."""
    directory = write_project(tmp_path_factory.mktemp("suite") / "project", suite.FILES)
    for name, option in (("plain", ()), ("ours", ("--maelstrom",))):
        done = environment.pytest(*suite.ARGUMENTS, *suite.reports(name), *option, cwd=directory).check(1)
        (directory / f"{name}.txt").write_text(done.out)
    return directory


def test_the_counts_are_those_of_plain_pytest(reports: Path) -> None:
    plain = suite.last_line((reports / "plain.txt").read_text())
    assert "passed" in plain
    assert suite.last_line((reports / "ours.txt").read_text()) == plain


def test_the_junit_report_says_the_same_of_each_test(reports: Path) -> None:
    plain = suite.junit(reports / "plain.xml")
    assert len(plain) > 30
    assert suite.junit(reports / "ours.xml") == plain


def test_the_html_report_has_the_same_rows(reports: Path) -> None:
    plain = suite.html_rows(reports / "plain.html")
    assert len(plain) > 30
    assert suite.html_rows(reports / "ours.html") == plain


def test_lines_and_branches_that_were_covered_are_the_same(reports: Path) -> None:
    plain = suite.coverage(reports / "plain.json")
    assert plain["totals"]["covered_branches"]
    assert suite.coverage(reports / "ours.json") == plain


def test_maelstrom_pytest_reports_the_coverage_of_plain_pytest(environment: Session, reports: Path) -> None:
    """The program: one report at the end, by the project's own pytest-cov, whose files are brought back."""
    (reports / ".coverage").unlink()
    arguments = (*suite.ARGUMENTS, "--cov-report=json:program.json", "--cov-report=html")
    python = ("--python", str(environment.python))
    done = environment.programs.run(PYTEST, *python, "--", *arguments, cwd=reports).check(1)
    plain = (reports / "plain.txt").read_text()
    assert table(done.out)
    assert table(done.out) == table(plain)
    assert suite.coverage(reports / "program.json") == suite.coverage(reports / "plain.json")
    assert (reports / "htmlcov" / "index.html").exists()
    assert (reports / ".coverage").exists()


def test_maelstrom_pytest_writes_reports_of_coverage_elsewhere(environment: Session, project: Path) -> None:
    """As plain pytest-cov does: what the arguments and the environment name; what settings name is said to be lost."""
    write_project(project, {**suite.FILES, ".coveragerc": "[json]\noutput = ../c.json\n"})
    there = project.parent / "reports"
    there.mkdir()
    (there / "kept.md").write_text("before\n")
    python = ("--python", str(environment.python), "test_groups.py::TestPlain")
    arguments = ("--cov=pkg", "--cov-report=term", f"--cov-report=xml:{there}/deep/c.xml", "--cov-report", "html:../h")
    more = (f"--cov-report=markdown-append:{there}/kept.md", "--cov-report=lcov:../c.lcov", "--cov-report=json")
    data = str(there / "data")
    done = environment.programs.run(
        PYTEST, *python, "--", *arguments, *more, cwd=project, env={"COVERAGE_FILE": data}
    ).check(0)
    assert f"Coverage XML written to file {there}/deep/c.xml" in done.out
    assert "<coverage " in (there / "deep" / "c.xml").read_text()
    assert (project.parent / "h" / "index.html").exists()
    assert (there / "kept.md").read_text().startswith("before\n| ")
    assert "end_of_record" in (project.parent / "c.lcov").read_text()
    with closing(sqlite3.connect(data)) as file:
        assert {Path(path).name for (path,) in file.execute("select path from file")} > {"__init__.py"}
    assert sorted(each.name for each in there.iterdir()) == ["data", "deep", "kept.md"]
    assert f"note: {project.parent}/c.json is outside of {project}, and not kept" in done.out
    assert not (project / ".coverage").exists()


def test_maelstrom_pytest_fails_where_coverage_is_below_the_limit(environment: Session, project: Path) -> None:
    write_project(project, suite.FILES)
    command = ("--python", str(environment.python), "test_groups.py::TestPlain", "--", "--cov=pkg")
    done = environment.programs.run(PYTEST, *command, "--cov-fail-under=90", cwd=project).check(1)
    assert "FAIL Required test coverage of 90" in done.out


def table(text: str) -> list[str]:
    """Return the lines of the table that pytest-cov prints."""
    lines = text.splitlines()
    return [line for line in lines if line.startswith(("Name  ", "pkg/", "TOTAL"))]


def test_tests_draw_the_numbers_of_the_session_s_seed(environment: Session, project: Path) -> None:
    """pytest-randomly: what a test draws depends on the seed that stands in the header, and so does the order."""
    write_project(project, suite.FILES)
    arguments = ("test_plugins.py::test_random", "--junitxml=junit.xml")
    first = environment.pytest("--maelstrom", *arguments, cwd=project).check(0)
    drawn = suite.drawn(project / "junit.xml")
    seed = first.out.partition("--randomly-seed=")[2].split()[0]
    environment.pytest(f"--randomly-seed={seed}", *arguments, cwd=project).check(0)
    assert drawn
    assert suite.drawn(project / "junit.xml") == drawn


def test_coverage_below_the_limit_fails_the_session(environment: Session, project: Path) -> None:
    write_project(project, suite.FILES)
    arguments = ("--maelstrom", "test_groups.py::TestPlain", "--cov=pkg", "--cov-context=test")
    done = environment.pytest(*arguments, "--cov-fail-under=90", cwd=project)
    assert "Coverage failure: total of" in done.check(1).out
    environment.pytest(*arguments, "--cov-fail-under=10", "--cov-report=json:c.json", cwd=project).check(0)
    assert not list(project.glob(".coverage.*"))
    assert json.loads((project / "c.json").read_text())["totals"]["covered_lines"]
    with closing(sqlite3.connect(project / ".coverage")) as data:
        contexts = {context for (context,) in data.execute("select context from context")}
    assert "test_groups.py::TestPlain::test_method|run" in contexts


def test_workers_of_xdist_are_not_started(environment: Session, project: Path) -> None:
    write_project(project, {"test_a.py": "def test_a(worker_id): assert worker_id == 'master'\n"})
    done = environment.pytest("--maelstrom", "-n", "2", "-p", "no:randomly", cwd=project).check(0)
    assert "options of pytest-xdist are ignored" in done.out
    assert "1 passed" in done.out


def test_sugar_shows_each_test(environment: Session, project: Path) -> None:
    write_project(project, {"test_a.py": "def test_a(): pass\ndef test_b(): assert 0\n"})
    done = environment.pytest("--maelstrom", "--force-sugar", "-p", "no:randomly", cwd=project).check(1)
    assert "test_a.py" in done.out
    assert "1 passed" in done.out
    assert "1 failed" in done.out
