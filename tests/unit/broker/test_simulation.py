"""Some of the schedules of `python -m tests.simulation`; a failing one is replayed by its seed and number there."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, RARE
from tests.simulation.mutants import SCHEDULES as ENOUGH
from tests.simulation.world import World

SCHEDULES = 60


@pytest.mark.parametrize("part", range(8))
def test_random_schedules_lose_nothing_and_report_nothing_twice(part: int) -> None:
    """The worlds check: what each client is told, and all invariants after each event."""
    for number in range(part * SCHEDULES, (part + 1) * SCHEDULES):
        World(f"1 {number}").run()
        assert number >= 0, f"python -m tests.simulation --seed 1 --replay {number}"


def test_a_schedule_is_made_again_by_its_seed() -> None:
    first, second = World("7 1"), World("7 1")
    first.run()
    second.run()
    assert (first.events, first.clock.now) == (second.events, second.clock.now)


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in RARE])
def test_a_deliberate_bug_is_found(name: str) -> None:
    assert MUTANTS[name].found() is not None, f"not in {ENOUGH} schedules"
