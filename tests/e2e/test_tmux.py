"""maelstrom-pytest in a real terminal program: tmux, whose screen and memory are read, and whose keys are pressed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.test_fancy import MANY, check_a_run_of_a_thousand
from tests.support.programs import PYTEST, Programs, eventually, write_project

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")


class Tmux:
    """A server of its own with one window, in which a program runs."""

    def __init__(self, socket: Path, environment: dict[str, str]) -> None:
        self.command = ["tmux", "-S", str(socket), "-f", str(socket.with_suffix(".conf"))]
        self._environment = environment

    def do(self, *words: str) -> str:
        """Give a command to the server; return what it says."""
        done = subprocess.run(
            [*self.command, *words], env=self._environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    @property
    def rows(self) -> list[str]:
        """All that is on the screen, and has scrolled away."""
        return [row.rstrip() for row in self.do("capture-pane", "-p", "-S", "-").splitlines()]


@contextmanager
def tmux(programs: Programs, directory: Path, size: tuple[int, int], *arguments: str) -> Iterator[Tmux]:
    """Run maelstrom-pytest in a window; below what it leaves stands how it ended, in files how the terminal is set."""
    socket = directory.parent / "tmux"
    socket.with_suffix(".conf").write_text("set -g history-limit 100000\nset -g status off\n")
    ours = shlex.join(programs.command(PYTEST, arguments))
    line = (
        f"trap : INT; stty -a > ../before; {ours}; code=$?; stty -a > ../after; echo ended with $code; exec sleep 1000"
    )
    environment = {**programs.environment({"LC_ALL": "C.UTF-8"}), "SHELL": "/bin/sh"}
    server = Tmux(socket, environment)
    window = ("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "-c", str(directory))
    server.do(*window, f"cd {shlex.quote(str(directory))}; {line}")
    try:
        yield server
    finally:
        subprocess.run([*server.command, "kill-server"], stderr=subprocess.DEVNULL, check=False)  # gone with its window


def test_a_run_of_a_thousand_leaves_failures_and_the_summary(programs: Programs, project: Path) -> None:
    write_project(project, {"test_many.py": MANY.format(count=1000)})
    with tmux(programs, project, (80, 24), "--isolation", "auto") as terminal:
        assert eventually(lambda: "ended with 1" in terminal.rows)
        check_a_run_of_a_thousand(terminal.rows, 80)
        assert terminal.do("display-message", "-p", "#{cursor_flag}").strip() == "1"  # it is shown
    assert os.path.getsize(project.parent / "before")
    assert (project.parent / "after").read_text() == (project.parent / "before").read_text()


def test_ctrl_c_in_the_middle(programs: Programs, project: Path) -> None:
    write_project(project, {"test_many.py": MANY.format(count=1000)})
    with tmux(programs, project, (80, 24), "--slots", "1") as terminal:
        assert eventually(lambda: any(" of 1000 " in row for row in terminal.rows))
        terminal.do("send-keys", "C-c")
        assert eventually(lambda: "ended with 130" in terminal.rows)
        rows = terminal.rows
        assert rows.count(" Test Summary ".center(80, "=")) == 1
        assert not any("━" in row or " of 1000 " in row or "Traceback" in row for row in rows)
        assert terminal.do("display-message", "-p", "#{cursor_flag}").strip() == "1"
    assert (project.parent / "after").read_text() == (project.parent / "before").read_text()
