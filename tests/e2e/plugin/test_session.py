"""`pytest --maelstrom` as a session: what stops it, what is reported when, what cannot be had, what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.plugin.conftest import Session
from tests.e2e.plugin.suite import last_line
from tests.support.programs import PATIENCE, alive, descendants, eventually, sleepers, write_project

# hypothesis is imported as a whole at the end of each session
FAST = ("-q", "--tb=short", "-p", "no:hypothesispytest")
QUIET = (*FAST, "-p", "no:cacheprovider")
# a conftest that writes down which hooks are called in which process
HOOKS = """
import json, os, pathlib
HOME = pathlib.Path(__file__).parent

def told(*words):
    with open(HOME / "hooks.jsonl", "a") as stream:
        stream.write(json.dumps(words) + "\\n")

def pytest_sessionstart(session): told("sessionstart")
def pytest_sessionfinish(session, exitstatus): told("sessionfinish", int(exitstatus))
def pytest_runtest_logstart(nodeid): told("logstart", nodeid)
def pytest_runtest_logreport(report): told("logreport", report.nodeid, report.when, report.outcome)
def pytest_runtest_logfinish(nodeid): told("logfinish", nodeid)
def pytest_runtest_setup(item): told("setup in this process")
"""


def test_each_test_has_a_container_and_hooks_of_reports_are_called_here(session: Session, project: Path) -> None:
    write_project(
        project,
        {
            "conftest.py": HOOKS,
            "test_a.py": "import os\ndef test_a(): assert os.getpid() < 100\ndef test_b(): assert False\n",
        },
    )
    session.pytest("--maelstrom", *QUIET, cwd=project).check(1)
    told = [tuple(json.loads(line)) for line in (project / "hooks.jsonl").read_text().splitlines()]
    assert told[0] == ("sessionstart",)
    assert told[-1] == ("sessionfinish", 1)
    of_a = [words for words in told if "test_a.py::test_a" in words]
    assert of_a == [
        ("logstart", "test_a.py::test_a"),
        *(("logreport", "test_a.py::test_a", when, "passed") for when in ("setup", "call", "teardown")),
        ("logfinish", "test_a.py::test_a"),
    ]
    first = told.index(of_a[0])
    assert told[first : first + len(of_a)] == of_a, "the reports of a test come together"
    assert ("setup in this process",) not in told


def test_what_is_printed_is_what_plain_pytest_prints(session: Session, project: Path) -> None:
    """One slot and one file: even the order is the same, but for what stands about the place of the tests."""
    write_project(
        project,
        {
            "test_a.py": """
import warnings, pytest
def test_a(): warnings.warn("careful")
def test_b():
    print("printed")
    assert [1, 2] == [1, 3]
@pytest.mark.skip(reason="not today")
def test_c(): pass
@pytest.mark.xfail(reason="known")
def test_d(): assert 0
""",
        },
    )
    outputs = []
    for options in ((), ("--maelstrom", "--maelstrom-slots=1")):
        done = session.pytest(*QUIET, "-vv", "-rA", *options, cwd=project).check(1)
        lines = [line for line in done.out.splitlines() if not line.startswith("maelstrom: ")]
        outputs.append([*sorted(lines[:-1]), last_line(done.out)])
    assert outputs[1] == outputs[0]


def test_the_first_failure_stops_the_session_when_that_is_wanted(session: Session, project: Path) -> None:
    tests = "".join(f"def test_{number}(): assert {number} < 3\n" for number in range(20))
    write_project(project, {"test_a.py": tests})
    done = session.pytest("--maelstrom", "-x", *QUIET, cwd=project).check(1)
    assert "stopping after 1 failures" in done.out
    assert "1 failed" in done.out
    assert "17 failed" not in done.out
    assert "3 failed" in session.pytest("--maelstrom", "--maxfail=3", *QUIET, cwd=project).check(1).out


def test_failures_are_remembered_for_the_next_session(session: Session, project: Path) -> None:
    write_project(
        project,
        {"test_a.py": "def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pass\ndef test_d(): assert 0\n"},
    )
    session.pytest("--maelstrom", *FAST, cwd=project).check(1)
    again = session.pytest("--maelstrom", *FAST, "--lf", cwd=project).check(1)
    assert "2 failed in" in again.out
    # step by step: everything before the first failure has been run, and nothing is reported behind it
    first = session.pytest("--maelstrom", *FAST, "--stepwise", cwd=project).check(2)
    assert "1 failed, 1 passed" in first.out
    (project / "test_a.py").write_text((project / "test_a.py").read_text().replace("assert 0", "pass", 1))
    second = session.pytest("--maelstrom", *FAST, "--stepwise", cwd=project).check(2)
    assert "1 failed, 2 passed, 1 deselected" in second.out


def test_tests_that_die_or_hang_are_reported_and_the_others_go_on(session: Session, project: Path) -> None:
    write_project(
        project,
        {
            "test_a.py": """
import os
def test_dies(): os._exit(3)
def test_passes(): pass
def test_stops_the_session():
    import pytest
    pytest.exit("enough")
"""
        },
    )
    done = session.pytest("--maelstrom", "--junitxml=junit.xml", *QUIET, cwd=project).check(1)
    assert "2 failed, 1 passed" in done.out
    assert "maelstrom: the test's process ended with exit code 3 before pytest did" in done.out
    assert (project / "junit.xml").read_text().count("<failure") == 2
    write_project(project, {"test_a.py": "import time\ndef test_hangs(): time.sleep(3600)\n"})
    done = session.pytest("--maelstrom", "--maelstrom-timeout=1", *QUIET, cwd=project).check(1)
    assert "maelstrom: timed out" in done.out


def test_a_test_that_is_not_found_again_is_an_error(session: Session, project: Path) -> None:
    """Its name differs from process to process."""
    write_project(
        project,
        {"test_a.py": "import os\ndef test_a(): pass\nglobals()[f'test_{os.urandom(8).hex()}'] = lambda: None\n"},
    )
    done = session.pytest("--maelstrom", *QUIET, cwd=project).check(1)
    assert "1 passed, 1 error" in done.out
    assert "this test was there at collection, but not when it was to be run" in done.out


def test_without_capture_tests_are_heard(session: Session, project: Path) -> None:
    write_project(
        project, {"test_a.py": "def test_a(): print('heard')\ndef test_b():\n    print('too')\n    assert 0\n"}
    )
    done = session.pytest("--maelstrom", "-s", *QUIET, cwd=project).check(1)
    assert done.out.count("heard") == 1
    assert done.out.count("too\n") == 1
    assert "Captured stdout" not in done.out


def test_the_reporter_of_an_editor_hears_of_each_test_and_stays_out_of_containers(
    session: Session, project: Path
) -> None:
    """Visual Studio Code names a plugin that speaks to a socket of this machine, and collects by itself first."""
    reporter = """
import os
if os.path.exists("/.maelstrom"):
    raise RuntimeError("there is no editor in here")

def pytest_collection_finish(session):
    told("collected", *[item.nodeid for item in session.items])

def pytest_report_teststatus(report, config):
    if report.when == "call":
        told(report.nodeid, report.outcome)

def told(*words):
    with open("told", "a") as stream:
        print(*words, file=stream)
"""
    write_project(
        project,
        {
            "vscode_pytest.py": reporter,
            "test_a.py": "def test_a(): pass\nclass TestB:\n    def test_b(self): assert 0\n",
        },
    )
    arguments = ("--maelstrom", "-p", "vscode_pytest", f"--rootdir={project}")
    session.pytest(*arguments, "--collect-only", *QUIET, cwd=project).check(0)
    session.pytest(*arguments, *QUIET, "test_a.py::TestB::test_b", "test_a.py::test_a", cwd=project).check(1)
    told = (project / "told").read_text().splitlines()
    assert told[0] == "collected test_a.py::test_a test_a.py::TestB::test_b"
    assert sorted(set(told[2:])) == ["test_a.py::TestB::test_b failed", "test_a.py::test_a passed"]


@pytest.mark.parametrize("option", ["--pdb", "--trace", "--setup-show"])
def test_what_needs_the_process_of_a_test_is_refused(session: Session, project: Path, option: str) -> None:
    write_project(project, {"test_a.py": "def test_a(): pass\n"})
    done = session.pytest("--maelstrom", option, cwd=project).check(4)
    assert f"ERROR: {option} does not work with --maelstrom" in done.err
    assert "Traceback" not in done.err


def test_wrong_values_are_a_mistake_of_usage(session: Session, project: Path) -> None:
    write_project(project, {"test_a.py": "def test_a(): pass\n"})
    for option in ("--maelstrom-slots=0", "--maelstrom-isolation=none"):
        done = session.pytest("--maelstrom", option, cwd=project).check(4)
        assert f"ERROR: option {option.partition('=')[0]}" in done.err
    done = session.pytest("--maelstrom", "--maelstrom-cache-root=test_a.py", cwd=project).check(4)
    assert "hint: give --maelstrom-cache-root a writable directory" in done.err


def test_collecting_alone_starts_nothing(session: Session, project: Path) -> None:
    write_project(project, {"test_a.py": "def test_a(): pass\n"})
    cache = project / "cache"
    arguments = ("--maelstrom", f"--maelstrom-cache-root={cache}", "--collect-only", *QUIET)
    done = session.pytest(*arguments, cwd=project).check(0)
    assert done.out.startswith("test_a.py::test_a\n\n1 test collected")
    assert not cache.exists()


def test_errors_of_collection_end_the_session_as_ever(session: Session, project: Path) -> None:
    write_project(project, {"test_a.py": "raise RuntimeError('no')\n", "test_b.py": "def test_b(): pass\n"})
    assert "1 error during collection" in session.pytest("--maelstrom", *QUIET, cwd=project).check(2).out
    done = session.pytest("--maelstrom", "--continue-on-collection-errors", *QUIET, cwd=project).check(1)
    assert "1 passed, 1 error" in done.out
    empty = write_project(project / "empty", {})
    session.pytest("--maelstrom", *QUIET, str(empty), cwd=project).check(5)


def test_interrupted_it_says_so_and_leaves_nothing(session: Session, project: Path) -> None:
    write_project(project, {"test_a.py": "import subprocess\ndef test_a(): subprocess.run(['sleep', '31557'])\n"})
    command = [str(session.python), "-m", "pytest", "--maelstrom", *QUIET]
    with subprocess.Popen(
        command, cwd=project, env=session.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert eventually(lambda: sleepers(process.pid, "31557"))
            below = descendants(process.pid)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 2
    assert "KeyboardInterrupt" in out
    assert eventually(lambda: not any(map(alive, below)))


def test_called_as_a_program_the_current_directory_is_not_on_the_path(session: Session, project: Path) -> None:
    """`pytest` and `python -m pytest` differ in that, in containers too."""
    write_project(project, {"helper.py": "", "tests/test_a.py": "def test_a():\n    import helper\n"})
    program = session.python.parent / "pytest"
    if not os.access(program, os.X_OK):
        pytest.skip("there is no program `pytest` beside the interpreter")
    for command, code in (([str(program)], 1), ([str(session.python), "-m", "pytest"], 0)):
        done = subprocess.run(
            [*command, "--maelstrom", *QUIET],
            cwd=project,
            env=session.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout


def test_the_option_may_stand_in_the_project_s_configuration(session: Session, project: Path) -> None:
    """Containers read it as well, and start none of their own."""
    write_project(
        project,
        {
            "pytest.ini": "[pytest]\naddopts = --maelstrom --maelstrom-slots 2 --maelstrom-no-template\n",
            "test_a.py": "import os\ndef test_a(): assert os.getpid() < 100\n",
        },
    )
    done = session.pytest("-p", "no:cacheprovider", cwd=project).check(0)
    assert "maelstrom: each test in a container of its own, 2 slots" in done.out
