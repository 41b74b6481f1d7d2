"""maelstrom-pytest with the simple display on a terminal: the progress line comes and goes, colours, ^C."""

from __future__ import annotations

from pathlib import Path

from maelstrom_test_runner.lines import plain
from tests.support.programs import PYTEST, Programs, Terminal, alive, descendants, eventually, sleepers, write_project

PASSING = "".join(f"def test_{number}(): pass\n" for number in range(8))
SLEEPING = "import subprocess\ndef test_quick(): pass\ndef test_sleeps(): subprocess.run(['sleep', '54321'])\n"


def test_the_progress_line_comes_and_goes(programs: Programs, project: Path):
    write_project(project, {"test_a.py": PASSING})
    with Terminal(programs, PYTEST, "--ui", "simple", cwd=project) as terminal:
        assert terminal.wait() == 0
        assert "collecting the tests" in terminal.text
        assert " of 8 done" in terminal.text
        screen = "\n".join(terminal.screen)
        assert "collecting the tests" not in screen
        assert " done" not in screen
        assert "\x1b[32mOK\x1b[0m" in screen
        assert terminal.screen[-1] == ""
        assert terminal.settings == terminal.before


def test_ap4_no_colour_where_none_is_wanted(programs: Programs, project: Path):
    write_project(project, {"test_a.py": "def test_bad(): assert 0\n"})
    with Terminal(programs, PYTEST, "--ui", "simple", cwd=project, env={"NO_COLOR": "1"}) as terminal:
        assert terminal.wait() == 1
        assert "\x1b[3" not in terminal.text
    with Terminal(programs, PYTEST, "--ui", "simple", cwd=project) as terminal:
        assert terminal.wait() == 1
        assert "\x1b[31mE   assert 0" in terminal.text.replace("\x1b[1m", "")  # pytest's own words


def test_ctrl_c_prints_the_summary_and_leaves_nothing(programs: Programs, project: Path):
    write_project(project, {"test_a.py": SLEEPING})
    with Terminal(programs, PYTEST, "--ui", "simple", "--slots", "1", cwd=project) as terminal:
        assert eventually(lambda: terminal.read() and sleepers(terminal.process.pid, "54321"))
        below = descendants(terminal.process.pid)
        assert len(below) > 3
        terminal.type("\x03")
        assert terminal.wait() == 130
        screen = "\n".join(terminal.screen)
        assert "Traceback" not in screen
        assert "    test_a.py::test_sleeps: was running" in screen
        assert " done" not in screen
        assert "Successful Tests: 1" in plain(screen)
        assert "Tests Not Run   : 1" in plain(screen)
        assert terminal.settings == terminal.before
        assert not any(alive(pid) for pid in below)


def test_ctrl_c_during_collection(programs: Programs, project: Path):
    write_project(project, {"conftest.py": "import subprocess\nsubprocess.run(['sleep', '43210'])\n"})
    with Terminal(programs, PYTEST, "--ui", "simple", cwd=project) as terminal:
        assert eventually(lambda: terminal.read() and sleepers(terminal.process.pid, "43210"))
        below = descendants(terminal.process.pid)
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.text
        assert terminal.settings == terminal.before
        assert not any(alive(pid) for pid in below)
