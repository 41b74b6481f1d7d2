"""An event loop of asyncio as a `TerminalSession` needs one: what its calls raise goes to whoever waits for the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class AsyncioLoop:
    """The running loop. `trouble` fails with what a call has raised; such a call is the session's last word."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timers: dict[Callable[[], object], asyncio.TimerHandle] = {}
        self.trouble: asyncio.Future[None] = self._loop.create_future()

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever there is something to read, or nothing any more."""
        self._loop.add_reader(fd, self._call, callback, *args)

    def remove_reader(self, fd: int) -> bool:
        """Do so no more; return whether it was done."""
        return self._loop.remove_reader(fd)

    def add_writer(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever something can be written, or nothing any more."""
        self._loop.add_writer(fd, self._call, callback, *args)

    def remove_writer(self, fd: int) -> bool:
        """Do so no more; return whether it was done."""
        return self._loop.remove_writer(fd)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have `callback` called once, after that time; who asks for it again has it called at the new time only."""
        self.cancel_call(callback)
        self._timers[callback] = self._loop.call_later(seconds, self._call, callback)

    def cancel_call(self, callback: Callable[[], object]) -> None:
        """Do so no more."""
        if (timer := self._timers.pop(callback, None)) is not None:
            timer.cancel()

    def close(self) -> None:
        """Have nobody asked what went wrong."""
        for callback in list(self._timers):
            self.cancel_call(callback)
        self.trouble.cancel()

    def _call(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            callback(*args)
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            if not self.trouble.done():
                self.trouble.set_exception(error)
