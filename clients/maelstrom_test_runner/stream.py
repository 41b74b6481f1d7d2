"""From a run to those who watch it: events are given their time and handed to each consumer, in one order.

Between events time passes in ticks, at multiples of `TICK` since the run began. What a consumer does depends on events
and ticks alone, so a recorded run can be shown again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from maelstrom_test_runner.events import AnyEvent, Resized
from maelstrom_test_runner.state import RunState

TICK = 0.1
"""Seconds."""


class Consumer(Protocol):
    """Is told what happens in a run."""

    def take(self, event: AnyEvent, state: RunState) -> None:
        """Take note of an event; `state` is that after it."""
        ...

    def tick(self, at: float, state: RunState) -> None:
        """Take note that time passes."""
        ...

    def close(self) -> None:
        """Let go of everything; nothing will come any more. May be called again."""
        ...


class EventStream:
    """The events of one run. `clock` gives seconds, monotonic."""

    def __init__(self, clock: Callable[[], float], consumers: Sequence[Consumer]) -> None:
        self._clock = clock
        self._begun = clock()
        self._consumers = consumers
        self._ticks = 0
        self.state = RunState()

    def now(self) -> float:
        """Return the seconds since the run began."""
        return self._clock() - self._begun

    def tell(self, kind: Callable[..., AnyEvent], **fields: Any) -> None:
        """Make an event of this kind, now, and hand it out."""
        self.take(kind(at=round(self.now(), 6), **fields))

    def take(self, event: AnyEvent) -> None:
        """Hand out an event that has its time."""
        self.pass_time(event.at)
        self.state.take(event)
        for consumer in self._consumers:
            consumer.take(event, self.state)

    def pass_time(self, at: float | None = None) -> None:
        """Hand out the ticks until `at`, or until now."""
        until = self.now() if at is None else at
        while (self._ticks + 1) * TICK <= until:
            self._ticks += 1
            for consumer in self._consumers:
                consumer.tick(self._ticks * TICK, self.state)

    def resized(self, columns: int, rows: int) -> None:
        """Take note of the terminal's size."""
        self.tell(Resized, columns=columns, rows=rows)

    def close(self) -> None:
        """Close all consumers, whatever one of them may raise."""
        problem: BaseException | None = None
        for consumer in self._consumers:
            try:
                consumer.close()
            except BaseException as error:  # noqa: BLE001 - the others come first
                problem = problem or error
        if problem is not None:
            raise problem


def replay(events: Iterable[AnyEvent], consumers: Sequence[Consumer]) -> RunState:
    """Hand out the events of a run that is over, and return the state at its end."""
    stream = EventStream(lambda: 0.0, consumers)
    try:
        for event in events:
            stream.take(event)
    finally:
        stream.close()
    return stream.state
