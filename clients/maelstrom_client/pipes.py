"""Pipes that a job writes to, read in an event loop as it writes; whoever made them is told what comes.

What a job writes last is read when it has ended: nobody has the other ends then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from maelstrom_worker.supervisor import Loop

CHUNK = 1 << 16
LEFT_OVER = 1 << 20
"""The most that is read of each pipe after a job's end: as much as a pipe can hold."""

Name = TypeVar("Name")


class OutputPipes(Generic[Name]):
    """The reading ends, each with what whoever made it calls it by; `take` is given that, and what has come."""

    def __init__(self, loop: Loop, take: Callable[[Name, bytes], object]) -> None:
        self._loop = loop
        self._take = take
        self._pipes: dict[int, Name] = {}

    def open(self, name: Name) -> int:
        """Make a pipe; return the end for the job, which is the caller's to close. Raises OSError."""
        pipe, end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(pipe, False)
        self._pipes[pipe] = name
        self._loop.add_reader(pipe, partial(self._read, pipe))
        return end

    def finish(self) -> None:
        """Read what the job, which has ended, wrote last."""
        for pipe in list(self._pipes):
            left = LEFT_OVER
            while left > 0 and (count := self._read(pipe)):
                left -= count

    def close(self) -> None:
        """Let go of all of them."""
        for pipe in list(self._pipes):
            self._let_go(pipe)

    def _read(self, pipe: int) -> int:
        """Pass on what there is; return how many bytes that was."""
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            self._let_go(pipe)
            return 0
        self._take(self._pipes[pipe], data)
        return len(data)

    def _let_go(self, pipe: int) -> None:
        self._loop.remove_reader(pipe)
        os.close(pipe)
        del self._pipes[pipe]
