"""What jobs require that no worker has, in words: for their clients, and for those who watch. Pure."""

from __future__ import annotations

from collections.abc import Collection

from maelstrom_broker.effects import Send
from maelstrom_broker.records import Requirements, Worker
from maelstrom_broker.shape import Shape
from maelstrom_core.messages import Lacking

_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_SHOWN = 5
"""Labels that are named."""


def tell(shape: Shape, workers: Collection[Worker]) -> list[Send]:
    """Return what is said to clients, once, of jobs that nobody can run."""
    reason = lacking(shape.wanted, workers)
    said: list[Send] = []
    for client, line in shape.lines.items():
        if client.states and client.peer not in shape.told:
            shape.told.add(client.peer)
            said.append(Send(client.peer, Lacking(line.head().sequence, reason)))
    return said


def lacking(wanted: Requirements, workers: Collection[Worker]) -> str:
    """Return why none of these workers can run such jobs; one may have come to be able to meanwhile."""
    there = [worker for worker in workers if not worker.draining]
    if not there:
        return "no worker is connected"
    known = frozenset().union(*(worker.labels for worker in there))
    labels = sorted(wanted.labels - known)
    if labels:
        return f"no worker that is connected has {_named(labels)}"
    fitting = [worker for worker in there if wanted.labels <= worker.labels]
    if not fitting:
        return f"no worker that is connected has all of {_named(sorted(wanted.labels))}"
    slots = max(worker.slots for worker in fitting)
    if slots < wanted.slots:
        return f"they take {wanted.slots} slots, and no worker that could run them has more than {slots}"
    memory = max(worker.memory for worker in fitting if worker.slots >= wanted.slots)
    if memory < wanted.memory:
        required, most = _size(wanted.memory), _size(memory)
        return f"they require {required} of memory, and no worker that could run them has more than {most}"
    return "the workers that could run them have failed to"


def _named(labels: list[str]) -> str:
    shown = ", ".join(labels[:_SHOWN])
    return f"{shown} and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else shown


def _size(size: int) -> str:
    """Return a number of bytes for people."""
    for factor, unit in _UNITS:
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
