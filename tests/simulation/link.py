"""A connection between a simulated peer and the broker: real frames, cut anywhere, late, in order; or cut for good."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

from maelstrom_core.wire import Connection


class Clock:
    """Simulated time: what is to happen, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self.at(self.now + delay, action)

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Let something happen at a time; of equal times in the order in which they were named."""
        self._count += 1
        heapq.heappush(self._queue, (time, self._count, action))

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, action = heapq.heappop(self._queue)
        action()


class End:
    """One end of a link: what it sends arrives at the other one some time later."""

    def __init__(self, clock: Clock, random: Random, connection: Connection, delay: float) -> None:
        self.connection = connection
        self.broken = False
        self._clock = clock
        self._random = random
        self._delay = delay
        self._arrives = 0.0
        self.other: End
        self.heard: Callable[[], None]

    def flush(self) -> None:
        """Put on the way what is to be sent."""
        data = b"".join(self.connection.data_to_send())
        while data and not self.broken:
            cut = self._random.choice((len(data), len(data), self._random.randint(1, len(data))))
            self._later(data[:cut])
            data = data[cut:]

    def hang_up(self) -> None:
        """Send the end of the stream."""
        self.flush()
        self._later(b"")

    def _later(self, piece: bytes) -> None:
        self._arrives = max(self._arrives, self._clock.now + self._random.expovariate(1 / self._delay))

        def arrive() -> None:
            if self.broken:
                return  # the cable was cut
            if piece:
                self.other.connection.receive_data(piece)
            else:
                self.other.connection.receive_eof()
            self.other.heard()

        self._clock.at(self._arrives, arrive)


def link(clock: Clock, random: Random, near: Connection, far: Connection) -> tuple[End, End]:
    """Return both ends of a new connection; some are slow."""
    delay = random.choice((0.001, 0.01, 0.01, 0.3))
    ends = End(clock, random, near, delay), End(clock, random, far, delay)
    ends[0].other, ends[1].other = ends[1], ends[0]
    return ends
