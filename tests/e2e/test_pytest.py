"""maelstrom-pytest as a user types it: verdicts, counts, exit codes, selection, reports."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE, PYTEST, Done, Programs, eventually, sleepers, write_project

OUTCOMES = """
import pytest

def test_passes():
    print("not shown")

def test_fails():
    print("shown")
    assert [1, 2] == [1, 3]

@pytest.mark.skip(reason="not today")
def test_skipped(): pass

@pytest.mark.skipif(False, reason="never")
def test_not_skipped(): pass

@pytest.mark.xfail(reason="known")
def test_xfails(): assert False

@pytest.mark.xfail
def test_xpasses(): pass

@pytest.fixture
def broken(): raise RuntimeError("broken fixture")

def test_error_in_setup(broken): pass

@pytest.fixture
def leaky():
    yield
    raise RuntimeError("broken teardown")

def test_error_in_teardown(leaky): pass

@pytest.mark.parametrize("text", ["a b", "x[y]", "ü"])
def test_parameters(text): assert text
"""

WORDS = {
    "test_passes": "OK",
    "test_fails": "FAIL",
    "test_skipped": "IGNORED",
    "test_not_skipped": "OK",
    "test_xfails": "XFAIL",
    "test_xpasses": "XPASS",
    "test_error_in_setup": "ERROR",
    "test_error_in_teardown": "ERROR",
    "test_parameters[a b]": "OK",
    "test_parameters[x[y]]": "OK",
    "test_parameters[\\xfc]": "OK",
}

SELECTABLE = {
    "pytest.ini": "[pytest]\nmarkers =\n    slow: takes its time\n",
    "test_one.py": "import pytest\n\ndef test_a(): pass\n\n@pytest.mark.slow\ndef test_b(): pass\n",
    "sub/test_two.py": "class TestGroup:\n    def test_c(self): pass\n    def test_d(self): pass\n",
}


def verdicts(done: Done) -> dict[str, str]:
    """Return the status word of each node id, from the lines of a run."""
    found: dict[str, str] = {}
    for line in done.out.splitlines():
        name, dots, rest = line.partition("...")
        if dots and "::" in name:
            assert name.rstrip(".") not in found
            found[name.rstrip(".")] = rest.strip(".").split()[0]
    return found


def names(done: Done) -> set[str]:
    return {name.rpartition("::")[2] for name in verdicts(done)}


@pytest.mark.parametrize("isolation", ["test", "function", "class", "module", "session"])
def test_every_outcome_and_pytests_own_counts(programs: Programs, project: Path, isolation: str):
    """PY1, PY2, PY5; AP7, AP8, AP12, AP13, AP16: only what failed shows what it printed."""
    write_project(project, {"test_all.py": OUTCOMES})
    done = programs.run(PYTEST, "--isolation", isolation, cwd=project).check(1)
    assert verdicts(done) == {f"test_all.py::{name}": word for name, word in WORDS.items()}
    native = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        cwd=project,
        env=programs.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    last = native.stdout.strip().splitlines()[-1].strip("= ")
    counts = last.rpartition(" in ")[0]
    assert f"as pytest counts: {counts}\n" in done.out
    assert "test_all.py::test_skipped: ignored (not today)" in done.out
    assert "broken fixture" in done.out
    assert "broken teardown" in done.out
    assert "\nshown\n" in done.out
    assert "not shown" not in done.out
    assert "\x1b" not in done.out
    assert "\r" not in done.out
    assert done.err == ""


def test_what_a_test_says_follows_its_line(programs: Programs, project: Path):
    files = {f"test_{number}.py": f"def test_x(): assert {number} == 'nothing'\n" for number in range(6)}
    done = programs.run(PYTEST, "--slots", "3", cwd=write_project(project, files)).check(1)
    body = done.out.partition(" Test Summary ")[0]
    order = [line for line in body.splitlines() if "FAIL" in line or line.startswith("E   ")]
    assert len(order) == 12
    for line, text in zip(order[::2], order[1::2], strict=True):
        assert text == f"E   AssertionError: assert {line[5]} == 'nothing'" or f"assert {line[5]} == 'nothing'" in text


def test_py1_all_pass(programs: Programs, project: Path):
    done = programs.run(PYTEST, cwd=write_project(project, {"test_foo.py": "def test_noop(): pass\n"})).check(0)
    assert verdicts(done) == {"test_foo.py::test_noop": "OK"}
    assert "Successful Tests: 1\nFailed Tests    : 0\n" in done.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), {"test_a", "test_b", "test_c", "test_d"}),
        (("-k", "a or c"), {"test_a", "test_c"}),
        (("-m", "slow"), {"test_b"}),
        (("-m", "not slow", "-k", "not Group"), {"test_a"}),
        (("sub",), {"test_c", "test_d"}),
        (("sub/test_two.py::TestGroup::test_d", "test_one.py::test_a"), {"test_a", "test_d"}),
        (("--", "--deselect", "test_one.py::test_a", "test_one.py"), {"test_b"}),
    ],
)
def test_selection_as_pytests(programs: Programs, project: Path, arguments: tuple[str, ...], expected: set[str]):
    done = programs.run(PYTEST, *arguments, cwd=write_project(project, SELECTABLE)).check(0)
    assert names(done) == expected


def test_a_selection_of_nothing(programs: Programs, project: Path):
    done = programs.run(PYTEST, "-k", "nothing_at_all", cwd=write_project(project, SELECTABLE)).check(5)
    assert verdicts(done) == {}


def test_py4_ap26_list_prints_node_ids_in_order_and_runs_nothing(programs: Programs, project: Path):
    done = programs.run(PYTEST, "--list", cwd=write_project(project, SELECTABLE)).check(0)
    assert sorted(done.out.splitlines()) == sorted(
        [
            "test_one.py::test_a",
            "test_one.py::test_b",
            "sub/test_two.py::TestGroup::test_c",
            "sub/test_two.py::TestGroup::test_d",
        ]
    )
    assert programs.run(PYTEST, "-l", "-m", "slow", cwd=project).check(0).out == "test_one.py::test_b\n"
    assert programs.run(PYTEST, "-l", "-r", "3", "-m", "slow", cwd=project).check(0).out == "test_one.py::test_b\n"
    write_project(project, {"maelstrom-pytest.toml": "[[directives]]\nignore = true\n"})
    assert len(programs.run(PYTEST, "--list", cwd=project).check(0).out.splitlines()) == 4


def test_ap28_displays_have_names(programs: Programs, project: Path):
    write_project(project, SELECTABLE)
    for name in ("auto", "simple", "quiet"):
        done = programs.run(PYTEST, "--ui", name, cwd=project).check(0)
        assert ("test_b..." in done.out) == (name != "quiet")
    assert "fancy" in programs.run(PYTEST, "--ui", "nice", cwd=project).check(2).single_message


def test_a_directory_below_the_root_of_the_project(programs: Programs, project: Path):
    """Node ids and the working directory are those that pytest would give."""
    files = {
        **SELECTABLE,
        "sub/test_three.py": "import os\ndef test_e(): assert os.getcwd().endswith('/project/sub')\n",
    }
    done = programs.run(PYTEST, cwd=write_project(project, files) / "sub").check(0)
    assert names(done) == {"test_c", "test_d", "test_e"}


def test_stop_after(programs: Programs, project: Path):
    text = "".join(f"def test_{number}(): assert False\n" for number in range(5))
    done = programs.run(PYTEST, "-s", "2", "--slots", "1", cwd=write_project(project, {"test_a.py": text})).check(1)
    assert len(verdicts(done)) == 2
    assert "Tests Not Run   : 3" in done.out


def test_junit_report(programs: Programs, project: Path):
    write_project(project, {"test_all.py": OUTCOMES})
    programs.run(PYTEST, "--junit-xml", "junit.xml", cwd=project).check(1)
    (suite,) = ET.parse(project / "junit.xml").getroot().iter("testsuite")
    cases = {case.get("name"): {child.tag for child in case} for case in suite.iter("testcase")}
    assert {name for name, inside in cases.items() if "failure" in inside} == {"test_fails"}
    assert {name for name, inside in cases.items() if "error" in inside} == {
        "test_error_in_setup",
        "test_error_in_teardown",
    }
    assert {name for name, inside in cases.items() if "skipped" in inside} == {"test_skipped", "test_xfails"}
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "2", "2")


def test_a_report_as_json_lines(programs: Programs, project: Path):
    write_project(project, {"test_all.py": OUTCOMES})
    programs.run(PYTEST, "--report", "report.jsonl", cwd=project).check(1)
    lines = [json.loads(line) for line in (project / "report.jsonl").read_text().splitlines()]
    assert {line["test"]["name"].partition("::")[2] for line in lines if line["event"] == "finished"} == set(WORDS)
    assert lines[0]["event"] == "begun"
    assert lines[-1] == {"event": "ended", "at": lines[-1]["at"], "code": 1}


def test_a_recorded_run_is_shown_again_as_it_was(programs: Programs, project: Path):
    write_project(project, {"test_all.py": OUTCOMES, "test_broken.py": "import nothing_like_it\n"})
    reports = "--report", "run.jsonl", "--junit-xml", "a.xml"
    done = programs.run(PYTEST, *reports, "--", "--continue-on-collection-errors", cwd=project).check(1)
    again = programs.run(PYTEST, "--replay", "run.jsonl", "--junit-xml", "b.xml", cwd=project).check(1)
    assert again.out == done.out
    assert (project / "a.xml").read_bytes() == (project / "b.xml").read_bytes()
    quiet = programs.run(PYTEST, "--replay", "run.jsonl", "--ui", "quiet", cwd=project).check(1)
    assert "test_passes" not in quiet.out
    assert "assert [1, 2] == [1, 3]" in quiet.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--replay", "none.jsonl"), "failed to read the report none.jsonl: No such file"),
        (("--replay", "test_a.py"), "test_a.py, line 1: this is no event of a run"),
        (("--replay", "empty"), "empty is empty"),
        (("--replay", "empty", "test_a.py"), "takes no selection"),
        (("--replay", "empty", "--report", "empty"), "it is the one that --replay reads"),
    ],
)
def test_what_cannot_be_shown_again(programs: Programs, project: Path, arguments, message: str):
    write_project(project, {"test_a.py": "def test(): pass\n", "empty": ""})
    done = programs.run(PYTEST, *arguments, cwd=project).check(2)
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed here")
@pytest.mark.parametrize("isolation", ["test", "session"])
def test_a_configuration_that_asks_for_xdist(programs: Programs, project: Path, isolation: str):
    files = {
        "pytest.ini": "[pytest]\naddopts = -n auto --dist loadfile\n",
        "test_a.py": "def test_worker(worker_id, testrun_uid): assert worker_id\ndef test_other(): pass\n",
    }
    done = programs.with_plugins.run(PYTEST, "--isolation", isolation, cwd=write_project(project, files)).check(0)
    assert set(verdicts(done).values()) == {"OK"}
    assert len(verdicts(done)) == 2


def test_tests_do_not_reach_each_other(programs: Programs, project: Path):
    text = """
import os, pathlib, sys
PLACES = [pathlib.Path(name, "left") for name in ("/tmp", "/var/tmp", "/dev/shm", "/run", ".", os.environ["HOME"])]
def leave():
    for place in PLACES: place.touch()
    os.environ["LEFT"] = "1"; sys.modules["left"] = sys
def check():
    assert [str(place) for place in PLACES if place.exists()] == []
    assert "LEFT" not in os.environ and "left" not in sys.modules
def test_1(): check(); leave()
def test_2(): check(); leave()
"""
    done = programs.run(PYTEST, cwd=write_project(project, {"test_a.py": text})).check(0)
    assert set(verdicts(done).values()) == {"OK"}
    assert sorted(path.name for path in project.iterdir()) == ["test_a.py"]
    assert not (programs.home / "left").exists()


def test_ctrl_c_without_a_terminal(programs: Programs, project: Path):
    text = "import subprocess\ndef test_quick(): pass\ndef test_sleeps(): subprocess.run(['sleep', '65432'])\n"
    write_project(project, {"test_a.py": text})
    with programs.start(PYTEST, "--slots", "1", "--junit-xml", "junit.xml", cwd=project) as process:
        assert eventually(lambda: sleepers(process.pid, "65432"))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
    assert err == b""
    assert b"    test_a.py::test_sleeps: was running\n" in out
    assert b"Successful Tests: 1\n" in out
    assert ET.parse(project / "junit.xml").getroot().find(".//testcase[@name='test_quick']") is not None


@pytest.mark.parametrize("read_first", [True, False])
def test_the_reader_of_the_output_goes_away(programs: Programs, project: Path, read_first: bool):
    write_project(project, {"test_a.py": "".join(f"def test_{number}(): assert False\n" for number in range(6))})
    with programs.start(PYTEST, cwd=project) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if read_first:
            process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        assert process.stderr.read() == b""


def test_failures_are_annotated_in_actions_of_github(programs: Programs, project: Path):
    write_project(project, {"test_a.py": "def test_x():\n    assert 1 == 2\n"})
    env = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(project),
        "GITHUB_STEP_SUMMARY": str(project / "summary.md"),
    }
    done = programs.run(PYTEST, cwd=project, env=env).check(1)
    assert "::error file=test_a.py,line=1,title=test_a.py%3A%3Atest_x::assert 1 == 2\n" in done.out
    assert "### maelstrom-pytest: 1 failed" in (project / "summary.md").read_text()
