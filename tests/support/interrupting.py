"""^C in a terminal, for tests of programs that start others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from maelstrom_test_runner.lines import plain
from tests.support.programs import Programs, Terminal, alive, descendants, eventually, sleepers


def interrupt(
    programs: Programs,
    program: str,
    *arguments: str,
    sleeper: str,
    cwd: Path,
    env: Mapping[str, str],
    shown: str = "",
) -> str:
    """Press ^C as soon as something below a program sleeps for so many seconds and `shown` has been written.

    Returns what is on the screen then.
    Asserts that it ends as it should: with a summary, its exit code, and nothing left of it.
    """
    with Terminal(programs, program, *arguments, cwd=cwd, env=env) as terminal:
        assert eventually(
            lambda: terminal.read() and shown in terminal.text and sleepers(terminal.process.pid, sleeper)
        ), terminal.text
        below = descendants(terminal.process.pid)
        terminal.type("\x03")
        assert terminal.wait() == 130
        screen = plain("\n".join(terminal.screen))
        assert "Traceback" not in screen
        assert "Test Summary" in screen
        assert terminal.settings == terminal.before
        assert eventually(lambda: not any(alive(pid) for pid in below), 10)
    return screen
