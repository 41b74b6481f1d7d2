"""What has happened to jobs and workers lately: for whoever asks why a job is where it is. Bounded. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from maelstrom_broker.records import Key


class Entry(NamedTuple):
    """One thing that happened."""

    time: float
    key: Key
    what: str
    worker: str
    attempt: int


class Story:
    """The last so many entries of all jobs together: what is kept does not grow with their number."""

    def __init__(self, size: int = 20_000) -> None:
        self._entries: deque[tuple[float, Key, str, str, int]] = deque(maxlen=size)

    def add(self, time: float, key: Key, what: str, worker: str = "", attempt: int = 0) -> None:
        """Note that something happened to a job."""
        self._entries.append((time, key, what, worker, attempt))

    def of(self, key: Key) -> list[Entry]:
        """Return what is still known of a job, oldest first."""
        return [Entry(*entry) for entry in self._entries if entry[1] == key]
