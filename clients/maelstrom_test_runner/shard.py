"""Shards: a suite cut into parts that take about the same time, for as many machines. Pure.

Each machine makes the same cut by itself, so that depends on nothing but names and durations of earlier runs, not on
the order of the tests. Durations are those of runs of the whole: if the run of a part changed them, the next part would
be cut otherwise, and a test might be in none.
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import msgspec

from maelstrom_core.errors import UserError

K = TypeVar("K", bound=Hashable)
MOST = 100_000


class Shard(msgspec.Struct, frozen=True):
    """One part of so many, numbered from 1."""

    number: int
    count: int


class Part(msgspec.Struct, frozen=True):
    """What a shard has of the whole: `keys`, and how long that and all took, in seconds."""

    keys: frozenset[Hashable]
    seconds: float
    total: float
    known: int
    """Of how many of the whole a duration was known; the others are taken to be average."""
    fingerprint: str
    """The same where all machines make the same cut."""


def parse_shard(text: str) -> Shard:
    """Return what `i/n` means. Raises UserError."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text, re.ASCII)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count <= MOST:
        raise UserError(f"--shard: `{text}` is no shard", hint="--shard 2/3 runs the second of three parts")
    return Shard(number, count)


def cut(durations: Mapping[K, float | None], count: int) -> list[list[K]]:
    """Return which keys each of `count` shards has: the longest first, each to the shard with the least to do.

    A key whose duration is not known is taken to be average.
    """
    known = [seconds for seconds in durations.values() if seconds is not None]
    average = sum(known) / len(known) if known else 1.0
    lengths = {key: average if seconds is None else seconds for key, seconds in durations.items()}
    shards: list[list[K]] = [[] for _ in range(count)]
    loads = [(0.0, 0, index) for index in range(count)]  # seconds, keys, shard
    for key in sorted(lengths, key=lambda key: (-lengths[key], repr(key))):
        load, size, index = heapq.heappop(loads)
        shards[index].append(key)
        heapq.heappush(loads, (load + lengths[key], size + 1, index))
    return shards


def part(durations: Mapping[K, float | None], shard: Shard) -> Part:
    """Return what one shard has of the whole."""
    keys = cut(durations, shard.count)[shard.number - 1]
    told = "\n".join(sorted(f"{key!r} {seconds}" for key, seconds in durations.items()))
    return Part(
        keys=frozenset(keys),
        seconds=_sum([durations[key] for key in keys]),
        total=_sum(list(durations.values())),
        known=sum(seconds is not None for seconds in durations.values()),
        fingerprint=f"{zlib.crc32(told.encode('utf-8', 'surrogatepass')):08x}",
    )


def _sum(durations: Sequence[float | None]) -> float:
    return sum(seconds for seconds in durations if seconds is not None)
