"""A broker without sockets in a crowd: so many workers, so many jobs that wait. To be timed, or counted.

    crowd = Crowd(workers=5000, queued=100)
    crowd.turn()        # one job comes, and one begins and ends: four events

As a program it says how many bytes a waiting job takes: `python -m ci.bench.crowd JOBS`.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import deque
from pathlib import Path

from maelstrom_broker import effects as e
from maelstrom_broker.broker import Broker
from maelstrom_broker.garbage import Garbage
from maelstrom_broker.records import Peer
from maelstrom_core import messages as m

CLIENTS = 3
SLOTS = 4
BODY = 300
"""Bytes of a job that nobody but its worker reads."""


class Crowd:
    """What is there stays; each turn replaces one job by another one."""

    def __init__(self, workers: int, queued: int, *, layers: int = 0, body: int = 0) -> None:
        Garbage()  # as a broker's process has it
        self.broker = Broker()
        self._running: deque[tuple[Peer, int]] = deque()
        self._artifacts = tuple(m.Artifact(f"{number:064x}") for number in range(layers))
        self._sequences = itertools.count()
        self._body = body
        for artifact in self._artifacts:
            self._handle(e.Stored(artifact.digest))
        self._clients = [Peer(number) for number in range(1, CLIENTS + 1)]
        for client in self._clients:
            self._handle(e.Connected(client, m.Hello(m.PROTOCOL, "client", name=f"c{client}")))
        for number in range(workers):
            self._handle(e.Connected(Peer(100 + number), m.Hello(m.PROTOCOL, "worker", offer=m.Offer(SLOTS))))
        while self.broker.scheduler.counts["queued"] < queued:
            self.submit()

    def submit(self) -> None:
        """Let a job come; estimates are all different, as recorded ones are."""
        sequence = next(self._sequences)
        estimate = sequence * 7919 % 1_000_003 / 1000
        body = sequence.to_bytes(8, "big").ljust(self._body) if self._body else b""
        self._handle(e.Said(self._clients[sequence % CLIENTS], m.Submit(sequence, self._artifacts, 0, estimate), body))

    def turn(self) -> None:
        """Let a job come, and the one begin and end that was given to a worker first."""
        self.submit()
        peer, attempt = self._running.popleft()
        self._handle(e.Said(peer, m.Started(attempt)))
        self._handle(e.Said(peer, m.Ended(attempt)))

    def seconds(self, turns: int) -> float:
        """Return the processor time of a turn."""
        begun = time.process_time()
        for _ in range(turns):
            self.turn()
        return (time.process_time() - begun) / turns

    def _handle(self, event: e.Event) -> None:
        for effect in self.broker.handle(event, 0.0):
            if isinstance(effect, e.Send) and isinstance(effect.message, m.Run):
                self._running.append((effect.peer, effect.message.attempt))


def resident() -> int:
    """Return the memory that this process has, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def bytes_per_job(jobs: int) -> float:
    """Return what a job takes that waits, its own body of 300 bytes included."""
    crowd = Crowd(10, 100, layers=3, body=BODY)
    before = resident()
    for _ in range(jobs):
        crowd.submit()
    return (resident() - before) / jobs


if __name__ == "__main__":
    print(bytes_per_job(int(sys.argv[1])))
