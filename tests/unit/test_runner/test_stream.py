"""Events and ticks in one order, for all who watch a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_test_runner.events import Note
from maelstrom_test_runner.stream import TICK, EventStream, replay


class Watcher:
    """Writes down what it is told."""

    def __init__(self):
        self.told = []
        self.closed = 0

    def take(self, event, _state):
        self.told.append(event)

    def tick(self, at, _state):
        self.told.append(round(at / TICK))

    def close(self):
        self.closed += 1


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_events_have_the_time_since_the_beginning():
    clock, watcher = Clock(), Watcher()
    stream = EventStream(clock, [watcher])
    clock.now += 0.05
    stream.tell(Note, text="x")
    assert watcher.told == [Note(at=0.05, text="x")]


def test_ticks_come_between_events_at_their_times():
    watcher = Watcher()
    events = [Note(at=0.05, text="a"), Note(at=0.25, text="b"), Note(at=0.25, text="c")]
    replay(events, [watcher])
    assert watcher.told == [events[0], 1, 2, events[1], events[2]]


@given(st.lists(st.tuples(st.floats(0, 0.3), st.booleans()), max_size=20))
def test_what_was_seen_live_is_seen_again(steps):
    clock, live = Clock(), Watcher()
    stream = EventStream(clock, [live])
    for pause, timer in steps:
        clock.now += pause
        if timer:
            stream.pass_time()
        else:
            stream.tell(Note, text="x")
    stream.tell(Note, text="end")
    again = Watcher()
    replay([each for each in live.told if isinstance(each, Note)], [again])
    assert again.told == live.told


def test_all_are_closed_though_one_fails():
    class Failing(Watcher):
        def close(self):
            raise OSError("full")

    watcher = Watcher()
    with pytest.raises(OSError, match="full"):
        EventStream(Clock(), [Failing(), watcher]).close()
    assert watcher.closed == 1
