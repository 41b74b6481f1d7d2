"""maelstrom-pytest with the fancy display on a real terminal, read by an emulated one."""

from __future__ import annotations

import re
from pathlib import Path

import pyte
import pytest

from tests.support.programs import PYTEST, Programs, Terminal, alive, descendants, eventually, sleepers, write_project

MANY = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_many(number):
    assert number % 100 != 50, f"number {{number}} is wrong"
"""
AP22 = re.compile(r"\A\s*\d+ s test_a\.py::test_sleeps\n.+\n. 1 of 2  1 ok  1 running\b.*\s*\Z")
"""What is on the screen when one test has ended and is gone from it, and another runs."""
SLEEPING = "import subprocess\ndef test_quick(): pass\ndef test_sleeps(): subprocess.run(['sleep', '54321'])\n"


def seen(text: str, width: int, height: int) -> tuple[list[str], pyte.HistoryScreen]:
    """Return all rows that a terminal has shown and not taken away, and the terminal."""
    screen = pyte.HistoryScreen(width, height, history=100_000, ratio=0.5)
    pyte.Stream(screen).feed(text)
    gone = ["".join(line[x].data for x in range(width)).rstrip() for line in screen.history.top]
    return [*gone, *(row.rstrip() for row in screen.display)], screen


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_a_run_of_many_leaves_failures_and_the_summary(programs: Programs, project: Path, size: tuple[int, int]):
    write_project(project, {"test_many.py": MANY.format(count=1000)})
    with Terminal(programs, PYTEST, "--isolation", "auto", cwd=project, size=size) as terminal:
        assert terminal.wait() == 1
        rows, screen = seen(terminal.text, *size)
        check_a_run_of_a_thousand(rows, size[0])
        assert not screen.cursor.hidden
        assert terminal.settings == terminal.before


def check_a_run_of_a_thousand(rows: list[str], width: int) -> None:
    """Assert that all that a terminal still has of it is ten failures, each whole and once, and the summary."""
    text = "\n".join(rows)
    wrong = [f"number {number} is wrong" for number in range(50, 1000, 100)]
    assert [rows.count(f"E       AssertionError: {each}") for each in wrong] == [1] * 10
    assert sum(row.endswith("s") and "FAIL" in row for row in rows) == 10
    assert not any("━" in row or " waiting" in row or "collecting" in row for row in rows)
    assert rows.count(" Test Summary ".center(width, "=")) == 1
    assert "Successful Tests:  990" in text
    start = next(number for number, row in enumerate(rows) if row.startswith("test_many.py::test_many["))
    failures = "\n".join(rows[start : rows.index(" Test Summary ".center(width, "="))])
    shape = re.sub(r"_{3,}", "___", re.sub(r"\d+", "N", re.sub(r"\.{3,}FAIL +", "...FAIL ", failures)))
    parts = shape.split("test_many.py::test_many[N]...FAIL N.Ns\n")
    assert parts[0] == ""
    assert {part.strip("\n") for part in parts[1:]} == {parts[1].strip("\n")}  # nothing among them


@pytest.mark.parametrize("moment", ["collecting", "waiting", "number 50 is wrong"])
def test_ctrl_c_at_any_moment(programs: Programs, project: Path, moment: str):
    write_project(project, {"test_many.py": MANY.format(count=1000), "conftest.py": "import time; time.sleep(0.3)\n"})
    with Terminal(programs, PYTEST, "--slots", "1", cwd=project, size=(80, 24)) as terminal:
        assert eventually(lambda: terminal.read() and moment in terminal.text)
        below = descendants(terminal.process.pid)
        terminal.type("\x03")
        assert terminal.wait() == 130
        rows, screen = seen(terminal.text, 80, 24)
        assert "Traceback" not in terminal.text
        assert not any("━" in row or " waiting" in row for row in rows)
        assert "interrupted" in terminal.text or " Test Summary " in terminal.text
        if moment in {"waiting", "number 50 is wrong"}:
            assert rows.count(" Test Summary ".center(80, "=")) == 1
            assert any(row.startswith("Tests Not Run") for row in rows)
        assert not screen.cursor.hidden
        assert terminal.settings == terminal.before
        assert not any(alive(pid) for pid in below)


def test_ctrl_c_restores_the_terminal_and_says_what_was_running(programs: Programs, project: Path):
    write_project(project, {"test_a.py": SLEEPING})
    with Terminal(programs, PYTEST, cwd=project) as terminal:
        assert eventually(lambda: terminal.read() and sleepers(terminal.process.pid, "54321"))
        assert eventually(lambda: terminal.read() and AP22.search("\n".join(seen(terminal.text, 100, 30)[0])))
        below = descendants(terminal.process.pid)
        terminal.type("\x03")
        assert terminal.wait() == 130
        rows, screen = seen(terminal.text, 100, 30)
        assert "    test_a.py::test_sleeps: was running" in rows
        assert not any("━" in row for row in rows)
        assert "Traceback" not in terminal.text
        assert not screen.cursor.hidden
        assert terminal.settings == terminal.before
        assert not any(alive(pid) for pid in below)


def test_a_dumb_terminal_gets_lines(programs: Programs, project: Path):
    write_project(project, {"test_a.py": "def test_x(): pass\n"})
    with Terminal(programs, PYTEST, cwd=project, env={"TERM": "dumb"}) as terminal:
        assert terminal.wait() == 0
        assert "test_a.py::test_x....." in terminal.text
        assert "\x1b[3" not in terminal.text


def test_fancy_where_it_cannot_be(programs: Programs, project: Path):
    done = programs.run(PYTEST, "--ui", "fancy", cwd=project).check(2)
    assert "this is no terminal" in done.single_message


def test_a_recorded_run_looks_on_a_terminal_as_it_did(programs: Programs, project: Path):
    write_project(project, {"test_many.py": MANY.format(count=60)})
    with Terminal(programs, PYTEST, "--report", "run.jsonl", cwd=project) as live:
        assert live.wait() == 1
    with Terminal(programs, PYTEST, "--replay", "run.jsonl", cwd=project) as again:
        assert again.wait() == 1
    assert again.text == live.text
