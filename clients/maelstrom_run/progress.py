"""How far a run of many jobs is: counts, the line on a terminal, the words at an early end.

`Counts` and the texts are pure; `Progress` draws. May import the core and the line of the test runners only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

import msgspec

INTERVAL = 0.2
"""Seconds between two states of the line."""
NAMED = 10
"""Jobs that are named at an early end; of more, how many they are."""


class Counts(msgspec.Struct):
    """How many jobs there are of each kind; `total` is None while nobody knows it."""

    succeeded: int = 0
    failed: int = 0
    known: int = 0
    """Those that had ended in an earlier run."""
    unfinished: int = 0
    total: int | None = None

    @property
    def done(self) -> int:
        """Those that ended in this run."""
        return self.succeeded + self.failed


def progress_text(counts: Counts, seconds: float, slots: int) -> str:
    """Return the text of the line, `seconds` after the start."""
    total = "" if counts.total is None else f"/{counts.total}"
    parts = [f"{counts.done + counts.known}{total} done"]
    if counts.failed:
        parts.append(f"{counts.failed} failed")
    parts.append(f"{min(counts.unfinished, slots)} running")
    parts.append(clock_time(seconds))
    if counts.done and seconds > 0:
        rate = counts.done / seconds
        parts.append(f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each")
        if counts.total is not None:
            left = max(0, counts.total - counts.known - counts.done)
            parts.append(f"{clock_time(left / rate)} left")
    return ", ".join(parts)


def clock_time(seconds: float) -> str:
    """Return a duration as `0:05`, `12:34`, `1:02:03` or `3 d 1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{rest:02}"
    days, hours = divmod(hours, 24)
    return (f"{days} d " if days else "") + f"{hours}:{minutes:02}:{rest:02}"


def jobs(number: int) -> str:
    """Return `1 job`, `2 jobs`."""
    return "1 job" if number == 1 else f"{number} jobs"


def early_end(counts: Counts, running: Sequence[str]) -> str:
    """Return what is said when a run ends before its jobs: what was done, and what was running."""
    known = f", {counts.known} before" if counts.known else ""
    text = f"{jobs(counts.done)} done{known}, {counts.failed} failed, {len(running)} running"
    if not running:
        return text
    more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
    return f"{text}: {', '.join(running[:NAMED])}{more}"


class Progress:
    """The line on a terminal; `clock` gives seconds, monotonic."""

    def __init__(self, stream: TextIO, *, width: int, slots: int, clock: Callable[[], float]) -> None:
        from maelstrom_test_runner.progress import ProgressLine

        self._line = ProgressLine(stream, active=True, width=width, clock=clock)
        self._slots = slots
        self._clock = clock
        self._start = self._last = clock()

    def update(self, counts: Counts) -> None:
        """Show how far it is, unless that has been shown just now."""
        now = self._clock()
        if now - self._last >= INTERVAL:
            self._last = now
            self._line.update(lambda: progress_text(counts, now - self._start, self._slots))

    def clear(self) -> None:
        """Take the line away, as something else is to be written."""
        self._line.clear()

    def close(self) -> None:
        """Take the line away for good."""
        self._line.close()
