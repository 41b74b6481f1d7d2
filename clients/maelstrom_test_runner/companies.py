"""Which cheap tests share a job: as many as earlier durations make worth while. Pure.

What tests must have in common to share one is the runner's business.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")

SHARE = (0.05, 1.0)
"""Tests share a job until they take so long together, in seconds: ten times what the job itself costs, and more where
enough jobs are left for all slots: what tests leave in caches helps those behind them."""
ROUNDS = 8
"""How many jobs there should be for each slot."""
UNKNOWN = 0.005
"""What a test is taken to last that has not run yet."""
COMPANY = 500
"""The most tests that share a job."""


def companies(
    items: Sequence[T], *, kin: Callable[[T], Hashable], seconds: Callable[[T], float | None], slots: int
) -> list[tuple[T, ...]]:
    """Return which tests share a job: neighbours of one `kin`, as long as that saves something.

    Whose kin is None is alone. `seconds` is how long a test took in an earlier run, None for one that has not run.
    """
    expected = [UNKNOWN if (known := seconds(item)) is None else known for item in items]
    least, most = SHARE
    share = max(least, min(most, sum(expected) / (slots * ROUNDS)))
    groups: list[tuple[T, ...]] = []
    begun: dict[Hashable, tuple[list[T], float]] = {}
    for item, duration in zip(items, expected, strict=True):
        place = kin(item)
        if duration >= share or place is None:
            groups.append((item,))
            continue
        members, total = begun.pop(place, ([], 0.0))
        members.append(item)
        if total + duration >= share or len(members) == COMPANY:
            groups.append(tuple(members))
        else:
            begun[place] = (members, total + duration)
    return groups + [tuple(members) for members, _ in begun.values()]


def families(items: Sequence[T], *, kin: Callable[[T], Hashable]) -> list[tuple[T, ...]]:
    """Return all items of one kin together, in the order of the first of each; whose kin is None is alone."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        place = kin(item)
        groups.setdefault(("alone", id(item)) if place is None else ("kin", place), []).append(item)
    return [tuple(members) for members in groups.values()]
