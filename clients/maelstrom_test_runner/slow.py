"""Says of what runs that it takes long: once after a time, and again whenever as much has passed.

Clock and timers are the caller's. Imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol


class Timer(Protocol):
    """Something that will happen."""

    def cancel(self) -> object:
        """Keep it from happening."""
        ...


class SlowAlarm:
    """Watches what has begun until it has ended. `later(seconds, call)` calls once, after that time."""

    def __init__(
        self, seconds: float, say: Callable[[str], object], later: Callable[[float, Callable[[], None]], Timer]
    ) -> None:
        self._seconds = seconds
        self._say = say
        self._later = later
        self._timers: dict[Hashable, Timer] = {}

    def begin(self, key: Hashable, name: str) -> None:
        """Watch something, which goes by a name."""
        self._set(key, name, 1)

    def end(self, key: Hashable) -> None:
        """Watch it no more."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """Watch nothing any more."""
        for key in list(self._timers):
            self.end(key)

    def _set(self, key: Hashable, name: str, times: int) -> None:
        def ring() -> None:
            self._say(f"{name} has been running for {self._seconds * times:g} s")
            self._set(key, name, times + 1)

        self._timers[key] = self._later(self._seconds, ring)
