"""How a broker was over time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_broker.history import COLUMNS, COUNTERS, GAUGES, LEVELS, OF_WORKERS, WORKERS, History, sample_of
from maelstrom_core.messages import Status


def sample(gauge: float, counter: float) -> tuple[float, ...]:
    return (*(gauge for _ in GAUGES), *(counter for _ in COUNTERS))


def test_a_sample_has_a_value_for_each_column() -> None:
    status = Status(1, 2, 3, 4, 5, 6, 7, total_workers=8, slots=9, used=10)
    assert dict(zip(COLUMNS, sample_of(status, 11), strict=True)) == {
        "clients": 1,
        "artifacts": 2,
        "queued": 3,
        "running": 4,
        "finished": 5,
        "failed": 6,
        "cancelled": 7,
        "workers": 8,
        "slots": 9,
        "used": 10,
        "refused": 11,
    }


def test_gauges_are_means_of_a_step_and_counters_what_they_were_at_its_end() -> None:
    history = History()
    for second in range(31):
        history.add(1000 + second, sample(second, second))
    columns = history.since(1)
    assert columns.step == 15
    assert columns.time == [1005.0, 1020.0]
    assert columns.values["used"] == [2.0, 12.0]
    assert columns.values["finished"] == [4, 19]


def test_only_what_is_later_is_told() -> None:
    history = History()
    for second in range(10):
        history.add(second, sample(second, 0))
    assert history.since(0, 6.0).time == [7.0, 8.0, 9.0]
    assert history.since(0, 6.0).values["slots"] == [6, 7, 8]
    assert history.since(0, 100.0).values["slots"] == []


@pytest.mark.parametrize("level", [-1, len(LEVELS)])
def test_a_level_that_there_is_not_is_refused(level: int) -> None:
    with pytest.raises(ValueError, match="there is no level"):
        History().since(level)


@given(st.lists(st.floats(0, 400), min_size=1, max_size=50))
def test_however_seconds_pass_times_grow_and_no_level_is_longer_than_it_may(gaps: list[float]) -> None:
    history, now = History(), 0.0
    for gap in gaps * 20:
        now += gap
        history.add(now, sample(1, now))
    for number, level in enumerate(LEVELS):
        columns = history.since(number)
        assert len(columns.time) <= level.length
        assert columns.time == sorted(set(columns.time))
        assert set(columns.values["used"]) <= {1.0}


def test_workers_that_are_gone_are_forgotten_and_only_so_many_have_a_history() -> None:
    history = History()
    for step in range(OF_WORKERS.length + 5):
        history.add_workers(step * OF_WORKERS.step + OF_WORKERS.step, dict.fromkeys(range(WORKERS + 10), step))
    workers = history.workers()
    assert len(workers) == WORKERS
    assert workers[0] == list(range(5, OF_WORKERS.length + 5))
    history.add_workers(1e6, {7: 1})
    assert set(history.workers()) == {7}
