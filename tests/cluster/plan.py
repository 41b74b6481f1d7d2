"""What is to happen to which host, when, and for how long: chance decides, by a seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Kind = Literal["kill", "stop", "unplug", "cut", "outage", "slow", "reset", "transfer", "fill"]

_WEIGHTS: dict[Kind, int] = {
    "kill": 10,
    "stop": 4,
    "unplug": 3,
    "cut": 4,
    "outage": 1,
    "slow": 3,
    "reset": 4,
    "transfer": 4,
    "fill": 3,
}
_LASTS: dict[Kind, tuple[float, float]] = {
    "kill": (0.0, 1.0),
    "stop": (0.2, 3.0),
    "unplug": (0.2, 3.0),
    "cut": (0.2, 4.0),
    "outage": (32.0, 38.0),
    "slow": (1.0, 4.0),
    "reset": (3.0, 7.0),
    "transfer": (4.0, 8.0),
    "fill": (0.5, 3.0),
}
"""Seconds. Who is silent for 30 is given up by the others, which is what an outage is for; for a connection or a
transfer to be broken is looked so long."""
_BETWEEN = (0.1, 0.7)
"""Seconds from one deed to the next."""
BROKER, CLIENT = "broker", "client"


class Deed(NamedTuple):
    """Something that happens to a host, from `at` on for so many seconds."""

    at: float
    kind: Kind
    host: str
    lasts: float

    def __str__(self) -> str:
        return f"{self.kind} {self.host} for {self.lasts:.2f} s"


def deeds(seed: int, workers: Sequence[str], *, outages: bool = True) -> Iterator[Deed]:
    """Yield deeds without end, in the order of their times; none begins at a host where another is going on."""
    chance = random.Random(seed)
    weights = {kind: weight for kind, weight in _WEIGHTS.items() if outages or kind != "outage"}
    free: dict[str, float] = dict.fromkeys((*workers, BROKER, CLIENT), 0.0)
    now = 0.0
    while True:
        now += chance.uniform(*_BETWEEN)
        kind = chance.choices(list(weights), list(weights.values()))[0]
        lasts = chance.uniform(*_LASTS[kind])
        at_rest = [host for host in _victims(kind, workers) if free[host] <= now]
        if not at_rest:
            continue
        host = chance.choice(at_rest)
        yield Deed(now, kind, host, lasts)
        free[host] = now + lasts


def _victims(kind: Kind, workers: Sequence[str]) -> list[str]:
    """Return whom it can happen to: a client is one run, which is not to end; a broker that is gone for long is two."""
    match kind:
        case "kill" | "stop" | "fill" | "transfer":
            return [*workers, BROKER]
        case "outage":
            return [*workers, CLIENT]
        case _:
            return [*workers, BROKER, CLIENT]
