"""The terminal that this program was started on: raw while a job has it, and as it was before.

Standard input and output are nearly always one terminal; where they are two, both become raw.
"""

from __future__ import annotations

import errno
import os
import termios
import tty
from contextlib import suppress
from typing import Any

from maelstrom_client.terminal.guard import Guard
from maelstrom_core.errors import UserError
from maelstrom_core.spec import WindowSize

INPUT, OUTPUT = 0, 1
SMALL = 256
"""Bytes to write at once where a write might block."""


def check_terminals() -> None:
    """Raise UserError unless standard input and standard output are terminals."""
    for descriptor, name in ((INPUT, "standard input"), (OUTPUT, "standard output")):
        if not os.isatty(descriptor):
            raise UserError(
                f"failed to show a job's terminal: {name} is no terminal",
                hint="a terminal is for people; pipes go with `maelstrom-run --stdin -- COMMAND`",
            )


class OwnTerminal:
    """Our terminal. `input` and `output` are descriptors of it; give them back by `close`."""

    def __init__(self) -> None:
        """Raise OSError or termios.error where it is gone already."""
        self._saved = {fd: termios.tcgetattr(fd) for fd in _distinct()}
        self.input, _ = _reopen(INPUT)
        self.output, self._at_once = _reopen(OUTPUT)
        self._raw = False
        self._guard = Guard(self._saved)

    @property
    def settings(self) -> list[Any]:
        """What the terminal was set to when we came."""
        return self._saved[INPUT]

    def size(self) -> WindowSize:
        """Return the size of its window now."""
        rows, columns = termios.tcgetwinsize(OUTPUT)
        return WindowSize(rows, columns)

    def enter_raw(self) -> None:
        """Have every key reach us as it is typed, also those that would make signals."""
        self._raw = True
        for fd in self._saved:
            _persistently(tty.setraw, fd, termios.TCSANOW)
        self._guard.note(raw=True)

    def leave_raw(self) -> None:
        """Have it be as it was. Does nothing where it is, or where the terminal is gone."""
        if not self._raw:
            return
        self._raw = False
        for fd, settings in self._saved.items():
            with suppress(termios.error):
                # Not after what is still to be shown has been: that may take forever.
                _persistently(termios.tcsetattr, fd, termios.TCSANOW, settings)
        self._guard.note(raw=False)

    def write(self, data: bytes) -> int:
        """Show what can be shown at once; return how many bytes that was. Raises OSError."""
        try:
            return os.write(self.output, data[: self._at_once])
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Put everything back."""
        self.leave_raw()
        self._guard.close()
        os.close(self.input)
        os.close(self.output)


def _distinct() -> tuple[int, ...]:
    same = os.fstat(INPUT).st_rdev == os.fstat(OUTPUT).st_rdev
    return (INPUT,) if same else (INPUT, OUTPUT)


def _reopen(descriptor: int) -> tuple[int, int]:
    """Return a descriptor of the same terminal, and how much can be written to it at once without waiting.

    That of ours is shared with the shell that we were started from: it must not become non-blocking. Where the terminal
    is not ours to open (after `su`) the descriptor is a copy, and whoever writes little waits seldom.
    """
    try:
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(f"/proc/self/fd/{descriptor}", flags), 1 << 16
    except OSError:
        return os.dup(descriptor), SMALL


def _persistently(function: Any, *arguments: Any) -> None:
    """Call a function of termios again where a signal came between: as when we are stopped, and continued, in it."""
    while True:
        try:
            function(*arguments)
        except termios.error as error:
            if error.args[0] != errno.EINTR:
                raise
        else:
            return
