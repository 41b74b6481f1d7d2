"""What is said of tests that take long."""

from __future__ import annotations

from maelstrom_test_runner.slow import SlowAlarm


class Timers:
    """A clock that stands still until it is told."""

    def __init__(self):
        self.now = 0.0
        self.pending = []

    def later(self, seconds, call):
        timer = Timer(self, self.now + seconds, call)
        self.pending.append(timer)
        return timer

    def wait(self, seconds):
        end = self.now + seconds
        while due := [timer for timer in self.pending if timer.time <= end]:
            first = min(due, key=lambda timer: timer.time)
            self.pending.remove(first)
            self.now = first.time
            first.call()
        self.now = end


class Timer:
    def __init__(self, timers, time, call):
        self.timers, self.time, self.call = timers, time, call

    def cancel(self):
        self.timers.pending.remove(self)


def test_whatever_takes_long_is_named_again_and_again():
    said, timers = [], Timers()
    alarm = SlowAlarm(1.5, said.append, timers.later)
    alarm.begin(1, "a")
    alarm.begin(2, "b")
    timers.wait(1.0)
    alarm.end(2)
    alarm.end(3)
    timers.wait(2.5)
    assert said == ["a has been running for 1.5 s", "a has been running for 3 s"]
    alarm.begin(4, "c")
    alarm.stop()
    timers.wait(10)
    assert len(said) == 2
    assert timers.pending == []
