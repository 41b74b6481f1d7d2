"""An event loop that waits for descriptors and times: what a supervisor needs of one, and no more.

Importing asyncio takes longer than running many a job, and its turns cost more: programs that only run jobs do without.
Imports nothing of the project.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

_Call = tuple[Callable[..., object], tuple[Any, ...]]


class BlockingLoop:
    """Calls whoever waits for a descriptor, as asyncio's loops do; somebody has to call `run_once` again and again."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._readers: dict[int, _Call] = {}
        self._writers: dict[int, _Call] = {}
        self._timers: dict[Callable[[], object], float] = {}
        self._every: Callable[[], object] | None = None

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever there is something to read, or nothing any more."""
        self._readers[fd] = callback, args
        self._register(fd)

    def remove_reader(self, fd: int) -> bool:
        """Do so no more; return whether it was done."""
        found = self._readers.pop(fd, None) is not None
        if found:
            self._register(fd)
        return found

    def add_writer(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever something can be written, or nothing any more."""
        self._writers[fd] = callback, args
        self._register(fd)

    def remove_writer(self, fd: int) -> bool:
        """Do so no more; return whether it was done."""
        found = self._writers.pop(fd, None) is not None
        if found:
            self._register(fd)
        return found

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have `callback` called once, after that time; who asks for it again has it called at the new time only."""
        self._timers[callback] = time.monotonic() + seconds

    def cancel_call(self, callback: Callable[[], object]) -> None:
        """Do so no more."""
        self._timers.pop(callback, None)

    def call_every(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have `callback` called every so often while somebody waits; takes the place of the last such call."""

        def again() -> None:
            self.call_later(seconds, again)
            callback()

        if self._every is not None:
            self.cancel_call(self._every)
        self._every = again
        self.call_later(seconds, again)

    def run_once(self, *, wait: bool = True) -> None:
        """Wait until something can be done, if need be and unless told not to, and make the calls.

        What is called every so often ends no waiting.
        """
        while True:
            events = self._poll.poll(self._patience() if wait else 0)
            for fd, happened in events:
                # The call before may have removed one, or the other. An error or a hang-up is told to both.
                if happened & ~select.POLLOUT and (reader := self._readers.get(fd)) is not None:
                    reader[0](*reader[1])
                if happened & ~select.POLLIN and (writer := self._writers.get(fd)) is not None:
                    writer[0](*writer[1])
            called = bool(self._timers) and self._call_due()
            if events or called or not wait:
                return

    def _register(self, fd: int) -> None:
        events = (select.POLLIN if fd in self._readers else 0) | (select.POLLOUT if fd in self._writers else 0)
        if events:
            self._poll.register(fd, events)
        else:
            self._poll.unregister(fd)

    def _patience(self) -> float | None:
        """Return how many milliseconds there are until the next call is due; None where there is none."""
        if not self._timers:
            return None
        return max(0.0, min(self._timers.values()) - time.monotonic()) * 1000

    def _call_due(self) -> bool:
        """Make the calls that are due; return whether there was one besides that which comes every so often."""
        now, called = time.monotonic(), False
        for callback, due in list(self._timers.items()):
            if due <= now and self._timers.pop(callback, None) is not None:
                called = called or callback is not self._every
                callback()
        return called
