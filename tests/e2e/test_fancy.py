"""maelstrom-pytest with the fancy display on a real terminal, read by an emulated one."""

from __future__ import annotations

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
SLEEPING = "import subprocess\ndef test_quick(): pass\ndef test_sleeps(): subprocess.run(['sleep', '54321'])\n"


def seen(text: str, width: int, height: int) -> tuple[list[str], pyte.HistoryScreen]:
    """Return all rows that a terminal has shown and not taken away, and the terminal."""
    screen = pyte.HistoryScreen(width, height, history=100_000, ratio=0.5)
    pyte.Stream(screen).feed(text)
    gone = ["".join(line[x].data for x in range(width)).rstrip() for line in screen.history.top]
    return [*gone, *(row.rstrip() for row in screen.display)], screen


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_a_run_of_many_leaves_failures_and_the_summary(programs: Programs, project: Path, size: tuple[int, int]):
    write_project(project, {"test_many.py": MANY.format(count=300)})
    with Terminal(programs, PYTEST, "--isolation", "auto", cwd=project, size=size) as terminal:
        assert terminal.wait() == 1
        rows, screen = seen(terminal.text, *size)
        text = "\n".join(rows)
        assert [text.count(f"number {n} is wrong") > 0 for n in (50, 150, 250)] == [True] * 3
        assert sum(row.endswith("s") and "FAIL" in row for row in rows) == 3
        assert not any("━" in row or " waiting" in row or "collecting" in row for row in rows)
        assert rows.count(" Test Summary ".center(size[0], "=")) == 1
        assert "Successful Tests: 297" in text
        assert not screen.cursor.hidden
        assert terminal.settings == terminal.before


def test_ctrl_c_restores_the_terminal_and_says_what_was_running(programs: Programs, project: Path):
    write_project(project, {"test_a.py": SLEEPING})
    with Terminal(programs, PYTEST, cwd=project) as terminal:
        assert eventually(lambda: terminal.read() and sleepers(terminal.process.pid, "54321"))
        assert eventually(lambda: terminal.read() and "test_a.py::test_sleeps" in terminal.text)
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
