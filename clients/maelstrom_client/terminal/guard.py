"""Puts a terminal back when this program is killed while it has it raw: nobody else would.

A process of its own, forked before there is anything that it must not have, which waits for the end of a pipe. In a
session of its own no signal of the terminal reaches it, and it may set the terminal from there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from collections.abc import Mapping
from typing import Any, NoReturn

RAW, COOKED, OVER = b"r", b"c", b"o"


class Guard:
    """Watches over terminals, by their descriptors, which have been set to these settings and are to be so again."""

    def __init__(self, saved: Mapping[int, list[Any]]) -> None:
        """Begin. Raises OSError."""
        ear, self._mouth = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            _watch(ear, saved)
        os.close(ear)

    def note(self, *, raw: bool) -> None:
        """Take note that the terminals are raw now, or are no longer."""
        self._say(RAW if raw else COOKED)

    def close(self) -> None:
        """End it; whatever the terminals are now, they stay."""
        self._say(OVER)
        os.close(self._mouth)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it
            os.write(self._mouth, word)


def _watch(ear: int, saved: Mapping[int, list[Any]]) -> NoReturn:
    """Be the guard."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _let_go({ear, *saved})
        left: dict[int, list[Any]] = {}
        while word := os.read(ear, 1):
            if word == OVER:
                os._exit(0)
            left = {fd: termios.tcgetattr(fd) for fd in saved} if word == RAW else {}
        for fd, settings in left.items():
            if termios.tcgetattr(fd) == settings:  # else a shell was faster, and has its own for its prompt
                termios.tcsetattr(fd, termios.TCSANOW, saved[fd])
    finally:
        os._exit(0)


def _let_go(kept: set[int]) -> None:
    """Close what is not needed: others wait for the ends of pipes and sockets that we have as well."""
    last = 0
    for fd in sorted(kept):
        if last < fd:  # an empty range from 0 on is everything to Python 3.11
            os.closerange(last, fd)
        last = fd + 1
    os.closerange(last, os.sysconf("SC_OPEN_MAX"))
