"""What is said of jobs that no worker can run."""

from __future__ import annotations

import pytest

from maelstrom_broker.lacking import lacking
from maelstrom_broker.records import Peer, Requirements, Worker

G = 1 << 30


def worker(number: int, slots: int, memory: int, *labels: str) -> Worker:
    return Worker(Peer(number), f"w{number}", slots, memory, frozenset(labels), 1)


WORKERS = [worker(1, 8, 4 * G, "a", "b"), worker(2, 2, 16 * G, "a", "c")]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Requirements(labels=frozenset("axy")), "no worker that is connected has x, y"),
        (Requirements(labels=frozenset("bc")), "no worker that is connected has all of b, c"),
        (
            Requirements(4, labels=frozenset("c")),
            "they take 4 slots, and no worker that could run them has more than 2",
        ),
        (
            Requirements(memory=5 * G, labels=frozenset("b")),
            "they require 5 GiB of memory, and no worker that could run them has more than 4 GiB",
        ),
        (
            Requirements(4, 5 * G),
            "they require 5 GiB of memory, and no worker that could run them has more than 4 GiB",
        ),
        (Requirements(avoid=frozenset({Peer(1), Peer(2)})), "the workers that could run them have failed to"),
    ],
)
def test_it_is_said_what_is_missing(wanted: Requirements, reason: str) -> None:
    assert lacking(wanted, WORKERS) == reason


def test_without_workers_nothing_else_matters() -> None:
    WORKERS[0].draining = True
    try:
        assert lacking(Requirements(labels=frozenset("x")), WORKERS[:1]) == "no worker is connected"
    finally:
        WORKERS[0].draining = False
