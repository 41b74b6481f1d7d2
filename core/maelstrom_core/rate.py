"""How often each of many may do something: so many times at once, then so many a second. Pure, and bounded.

    wait = rate.book(address, now)      # seconds; None: so long a wait that it is refused

Whoever asks too often waits, and holds up nobody else. `now` is any clock that never goes back. Imports `bounded` only.
"""

from __future__ import annotations

from maelstrom_core.bounded import Bounded

_REMEMBERED = 10_000


class Rate:
    """The state: for each the time at which all that it has booked will have been its due."""

    def __init__(self, per_second: float, at_once: int, longest: float) -> None:
        """`longest`: seconds that somebody may have to wait."""
        self._step = 1 / per_second
        self._credit = (at_once - 1) / per_second
        self._longest = longest
        self._due: Bounded[str, float] = Bounded(_REMEMBERED)

    def book(self, who: str, now: float) -> float | None:
        """Return how many seconds to wait; or None, and then nothing is booked."""
        due = max(self._due.pop(who, now), now)
        wait = max(0.0, due - now - self._credit)
        refused = wait > self._longest
        self._due[who] = due if refused else due + self._step
        return None if refused else wait
