"""maelstrom-pytest --show-output: what tests write is seen while they run."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from maelstrom_test_runner.lines import plain
from tests.support.programs import PYTEST, Programs, Terminal, eventually, write_project

TALKING = """
import os, subprocess, sys, time, pytest

@pytest.mark.parametrize("name", ["x", "y"])
def test_talks(name):
    print("from python", name)
    print("to stderr", file=sys.stderr)
    subprocess.run(["echo", "from a child"])
    print("10 %\\r20 %\\rdone \\x07\\x1b[2J", flush=True)
    print("\\x1b[31mred\\x1b[0m no end", end="")

def test_fails():
    print("before")
    assert sys.stdin.read() == "something"

def test_dies():
    print("last words", file=sys.stderr, flush=True)
    os._exit(3)
"""
WAITING = "import time\ndef test_waits():\n    print('waiting now')\n    time.sleep(3600)\n"


def test_lines_have_the_name_of_their_test_and_come_before_its_verdict(programs: Programs, project: Path):
    write_project(project, {"test_a.py": TALKING})
    done = programs.run(PYTEST, "--show-output", "--report", "run.jsonl", cwd=project).check(1)
    lines = done.out.splitlines()
    for name in ("x", "y"):
        said = [line for line in lines if line.startswith(f"test_a.py::test_talks[{name}]")]
        *words, verdict = said
        assert {each.removeprefix(f"test_a.py::test_talks[{name}]: ") for each in words} == {
            f"from python {name}",
            "to stderr",
            "from a child",
            "done \\x07\\x1b[2J",
            "red no end",
        }
        assert " OK " in verdict.replace(".", " ")
    assert "test_a.py::test_fails: before" in lines
    assert "Captured stdout" not in done.out
    assert "test_a.py::test_dies: last words" in lines
    assert "stderr: last words" in lines
    assert "test session starts" not in done.out
    assert "as pytest counts: 1 failed, 2 passed" in lines
    again = programs.run(PYTEST, "--replay", "run.jsonl", cwd=project).check(1)
    assert again.out == done.out
    told = [json.loads(line) for line in (project / "run.jsonl").read_text().splitlines()]
    streams = {(each["test"]["name"], each["stream"]) for each in told if each["event"] == "output"}
    assert ("test_a.py::test_talks[x]", "stdout") in streams
    assert ("test_a.py::test_dies", "stderr") in streams


def test_where_one_runs_at_a_time_lines_are_as_they_are(programs: Programs, project: Path):
    write_project(project, {"test_a.py": TALKING})
    done = programs.run(PYTEST, "--show-output", "--slots", "1", cwd=project).check(1)
    assert "\nfrom python y\n" in done.out


def test_tests_of_one_process_are_named_by_their_file(programs: Programs, project: Path):
    write_project(project, {"test_a.py": TALKING})
    done = programs.run(PYTEST, "--show-output", "--isolation", "module", "-k", "talks", cwd=project).check(0)
    assert "\ntest_a.py: from a child\n" in done.out
    assert "\ntest_a.py: red no endfrom python y\n" in done.out  # who of them ended no line is not known


def test_it_is_seen_while_the_test_runs(programs: Programs, project: Path):
    write_project(project, {"test_a.py": WAITING})
    with programs.start(PYTEST, "--show-output", cwd=project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting now\n"  # the only test there is
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().decode()
        assert process.wait() == 130
    assert "test_a.py::test_waits: was running" in rest


def test_on_a_terminal_it_stands_above_what_is_drawn(programs: Programs, project: Path):
    write_project(project, {"test_a.py": WAITING, "test_b.py": "def test_other(): print('\\x1b[32mother\\x1b[0m')\n"})
    with Terminal(programs, PYTEST, "--show-output", "--slots", "2", cwd=project) as terminal:
        assert eventually(lambda: terminal.read() and "test_a.py::test_waits: waiting now\r\n" in terminal.text)
        assert eventually(lambda: terminal.read() and "test_b.py::test_other: \x1b[32mother\x1b[0m" in terminal.text)
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert "test_a.py::test_waits: was running" in plain(terminal.text)
        assert terminal.settings == terminal.before
