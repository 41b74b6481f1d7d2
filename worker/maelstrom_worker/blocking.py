"""An event loop that waits for descriptors: what a supervisor needs of one, and no more.

Importing asyncio takes longer than running many a job, and its turns cost more: programs that only run jobs do without.
Imports nothing of the project.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any


class BlockingLoop:
    """Calls whoever waits for a descriptor, as asyncio's loops do; somebody has to call `run_once` again and again."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._readers: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}
        self._every: tuple[float, Callable[[], object]] | None = None
        self._due = 0.0

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever there is something to read, or nothing any more."""
        self._poll.register(fd, select.POLLIN)
        self._readers[fd] = callback, args

    def remove_reader(self, fd: int) -> bool:
        """Do so no more; return whether it was done."""
        if self._readers.pop(fd, None) is None:
            return False
        self._poll.unregister(fd)
        return True

    def call_every(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have `callback` called every so often while somebody waits; takes the place of the last such call."""
        self._every = seconds, callback
        self._due = time.monotonic() + seconds

    def run_once(self, *, wait: bool = True) -> None:
        """Wait until something can be read, if need be and unless told not to, and make the calls."""
        if self._every is not None:
            self._wait_in_parts(*self._every, wait=wait)
            wait = False
        for fd, _ in self._poll.poll(None if wait else 0):
            reader = self._readers.get(fd)  # the call before may have removed it
            if reader is not None:
                reader[0](*reader[1])

    def _wait_in_parts(self, seconds: float, callback: Callable[[], object], *, wait: bool) -> None:
        """Wait until something can be read, if that is wanted, making the calls that are due meanwhile."""
        while True:
            left = self._due - time.monotonic()
            if left <= 0:
                self._due = time.monotonic() + seconds
                callback()
            elif not wait or self._poll.poll(left * 1000):
                return
