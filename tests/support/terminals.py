"""Jobs on a terminal: how tests start one, and look at ours."""

from __future__ import annotations

import array
import fcntl
import termios
from pathlib import Path

from tests.support.programs import RUN, Programs, Terminal, eventually, stream

QUIT, SUSPEND = "\x1d\x03", "\x1d\x1a"


def shows(terminal: Terminal, text: str) -> bool:
    """Wait until a text has been shown."""
    return eventually(lambda: terminal.read() and text in terminal.text, 30)


def shell_on(programs: Programs, project: Path, script: str, *options: str) -> Terminal:
    return Terminal(programs, RUN, *options, "--tty", "--", "sh", "-c", script, cwd=project)


def waiting_input(terminal: Terminal) -> int:
    """Return how many bytes somebody has typed on our terminal that nobody has read."""
    count = array.array("i", [0])
    fcntl.ioctl(terminal._slave, termios.FIONREAD, count)
    return count[0]


def is_raw(terminal: Terminal) -> bool:
    return not terminal.settings[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


def job_file(project: Path, spec: object) -> str:
    path = project / "job.json"
    path.write_bytes(stream(spec))
    return str(path)
