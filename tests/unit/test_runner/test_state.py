"""The state of a run from its events, and the time it may take yet."""

from __future__ import annotations

import pytest

from maelstrom_test_runner.events import Collected, Skipped, Test
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status
from tests.unit.test_runner.runs import begun, finished, started, whole_run


def after(*events) -> RunState:
    state = RunState()
    for event in events:
        state.take(event)
    return state


def test_a_whole_run_is_counted():
    state = after(*whole_run())
    assert (state.expected, state.done, state.finished, state.failed, state.waiting) == (5, 4, 3, 2, 0)
    assert state.counts == {"deselected": 1, "skipped": 1, "error": 1, "passed": 1, "failed": 1}
    assert list(state.running) == [Test("t::d")]
    assert state.code == 130


def test_an_interrupted_run_says_what_was_running():
    summary = after(*whole_run()).summary()
    assert summary.running == ("t::d",)
    assert summary.not_run == 1


def test_a_run_that_went_to_its_end_names_nothing_as_running():
    assert after(begun(), Collected(at=0, tests=2), started(0, "a"), started(0, "b")).summary().running == ()


def test_tests_of_one_name_are_told_apart():
    state = after(started(1, "a"), finished(2, "a", occurrence=1))
    assert state.running == {Test("a"): 1}


def test_ap19_ap25_what_is_expected_grows_with_what_was_passed_over():
    state = after(Collected(at=0, tests=2), Skipped(at=0, name="s", reason=""), finished(1, "a"))
    assert (state.expected, state.summary().not_run) == (3, 1)


@pytest.mark.parametrize(
    ("collected", "seconds", "left"),
    [
        ({"tests": 4, "seconds": 4.0}, 1.0, 30.0),  # took 10 s for one second's worth of four
        ({"tests": 4, "unknown": 4}, 1.0, 30.0),  # all like the first
        ({"tests": 4, "seconds": 7.0, "unknown": 1}, 1.0, 70.0),
        ({"tests": 4, "seconds": 0.5}, 1.0, 30.0),  # slower than last time: by number
        ({"tests": 4, "seconds": 4.0}, 0.0, 30.0),
    ],
)
def test_the_time_left_is_that_of_the_work_left(collected, seconds, left):
    state = after(Collected(at=0, **collected), started(5, "a"), finished(15, "a", seconds=seconds))
    assert state.time_left(15) == pytest.approx(left)


def test_nothing_is_said_of_the_time_left_before_something_has_ended():
    assert after(Collected(at=0, tests=1), started(0, "a")).time_left(5) is None
    assert after(started(0, "a"), finished(1, "a")).time_left(5) is None


def test_no_time_is_left_when_all_has_ended():
    state = after(Collected(at=0, tests=1), started(0, "a"), finished(1, "a", Status.FAILED))
    assert state.time_left(5) == 0
