"""How a broker was over time: samples of each second, thinned as they grow older. Bounded. Pure.

    history.add(now, sample)
    history.since(1, then)

A *level* has so many samples, one for each step of time: gauges are means over the step, counters what they were at its
end. `now` is seconds of a clock that people read, made of one that never goes back.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import msgspec

from maelstrom_core.messages import Status


class Level(NamedTuple):
    """Samples that are kept: one for each step, in seconds; and how many."""

    step: int
    length: int


LEVELS = (Level(1, 300), Level(15, 240), Level(300, 288))
"""Five minutes, an hour, a day."""

GAUGES = ("slots", "used", "artifacts", "queued", "running", "clients", "workers")
COUNTERS = ("finished", "failed", "cancelled", "refused")
COLUMNS = (*GAUGES, *COUNTERS)

WORKERS = 256
"""Those that have a history of their own, the first that are there."""
OF_WORKERS = Level(5, 60)


class Columns(msgspec.Struct):
    """Samples by column, each beginning with the oldest."""

    step: int
    time: list[float]
    values: dict[str, list[float]]


def sample_of(status: Status, refused: int) -> tuple[float, ...]:
    """Return the values of all columns now."""
    return (
        status.slots,
        status.used,
        status.artifacts,
        status.queued,
        status.running,
        status.clients,
        status.total_workers,
        status.finished,
        status.failed,
        status.cancelled,
        refused,
    )


class _Thinned:
    """The samples of one level."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.samples: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=level.length)
        self._step = 0
        self._sums = [0.0] * len(GAUGES)
        self._last: tuple[float, ...] = ()
        self._count = 0

    def add(self, now: float, sample: tuple[float, ...]) -> None:
        step = int(now // self.level.step)
        if self._count and step != self._step:
            gauges = tuple(total / self._count for total in self._sums)
            end = float((self._step + 1) * self.level.step)
            self.samples.append((end, (*gauges, *self._last[len(GAUGES) :])))
            self._sums = [0.0] * len(GAUGES)
            self._count = 0
        self._step = step
        self._sums = [total + value for total, value in zip(self._sums, sample, strict=False)]
        self._last = sample
        self._count += 1


class History:
    """All levels, and the workers'."""

    def __init__(self) -> None:
        self._levels = [_Thinned(level) for level in LEVELS]
        self._workers: dict[int, deque[int]] = {}
        self._worker_step = 0

    def add(self, now: float, sample: tuple[float, ...]) -> None:
        """Take in a sample; one for each second is enough."""
        for level in self._levels:
            level.add(now, sample)

    def add_workers(self, now: float, used: dict[int, int]) -> None:
        """Take note of how many slots are in use at each worker, by its number; those that are gone are forgotten."""
        step = int(now // OF_WORKERS.step)
        if step == self._worker_step:
            return
        self._worker_step = step
        for peer in self._workers.keys() - used.keys():
            del self._workers[peer]
        for peer, slots in used.items():
            samples = self._workers.get(peer)
            if samples is None:
                if len(self._workers) >= WORKERS:
                    continue
                samples = self._workers[peer] = deque(maxlen=OF_WORKERS.length)
            samples.append(slots)

    def since(self, level: int, then: float = 0.0) -> Columns:
        """Return the samples of a level that are later than `then`. Raises ValueError where there is no such level."""
        if not 0 <= level < len(LEVELS):
            raise ValueError(f"there is no level {level}: there are 0 to {len(LEVELS) - 1}")
        samples = [each for each in self._levels[level].samples if each[0] > then]
        columns = zip(*(values for _, values in samples), strict=True) if samples else [()] * len(COLUMNS)
        values = {name: list(column) for name, column in zip(COLUMNS, columns, strict=True)}
        return Columns(LEVELS[level].step, [time for time, _ in samples], values)

    def workers(self) -> dict[int, list[int]]:
        """Return the slots in use of each worker that has a history, oldest first, one for each step."""
        return {peer: list(samples) for peer, samples in self._workers.items()}
