"""Which job runs next: behaviours DI3 to DI16, and the invariants under random schedules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from maelstrom_worker.job_queue import JobId, Slot
from maelstrom_worker.scheduler import Effect, Forget, Kill, Scheduler, Start


def started(effects: list[Effect]) -> list[int]:
    assert all(isinstance(effect, Start) for effect in effects)
    return [effect.job for effect in effects]


def run_all(scheduler: Scheduler, running: list[int]) -> list[int]:
    """Finish what runs, first started first, until nothing is left; returns the order of the later starts."""
    order: list[int] = []
    while running:
        more = started(scheduler.finished(JobId(running.pop(0))))
        order += more
        running += more
        scheduler.validate()
    return order


def test_di1_a_job_starts_at_once_on_a_free_slot() -> None:
    scheduler = Scheduler(2)
    assert scheduler.submit(JobId(1)) == [Start(JobId(1), Slot(0))]
    assert scheduler.submit(JobId(2)) == [Start(JobId(2), Slot(1))]
    assert scheduler.submit(JobId(3)) == []
    assert scheduler.counts() == {"queued": 1, "running": 2, "stopping": 0}


def test_di3_longest_first_and_unknown_before_all() -> None:
    scheduler = Scheduler(2)
    running = started(scheduler.submit(JobId(1)) + scheduler.submit(JobId(2)))
    scheduler.submit(JobId(10), estimate=0.010)
    scheduler.submit(JobId(100), estimate=0.100)
    scheduler.submit(JobId(999), estimate=None)
    assert run_all(scheduler, running) == [999, 100, 10]


def test_di4_priority_beats_duration() -> None:
    scheduler = Scheduler(1)
    running = started(scheduler.submit(JobId(0)))
    for job, (priority, estimate) in enumerate([(0, 30), (0, 40), (1, 10), (1, 20), (-1, 100)], start=1):
        scheduler.submit(JobId(job), priority=priority, estimate=estimate)
    assert run_all(scheduler, running) == [4, 3, 2, 1, 5]


def test_first_come_first_served_among_equals() -> None:
    scheduler = Scheduler(1)
    running = started(scheduler.submit(JobId(0)))
    for job in range(1, 50):
        scheduler.submit(JobId(job), priority=3, estimate=1.0)
    assert run_all(scheduler, running) == list(range(1, 50))


def test_di6_a_cancelled_running_job_holds_its_slot_until_it_is_over() -> None:
    scheduler = Scheduler(1)
    scheduler.submit(JobId(1))
    scheduler.submit(JobId(2))
    assert scheduler.cancel(JobId(1)) == [Kill(JobId(1), Slot(0))]
    assert scheduler.counts() == {"queued": 1, "running": 0, "stopping": 1}
    assert scheduler.finished(JobId(1)) == [Start(JobId(2), Slot(0))]


def test_di7_a_cancelled_queued_job_never_starts() -> None:
    scheduler = Scheduler(1)
    scheduler.submit(JobId(1))
    scheduler.submit(JobId(2))
    scheduler.submit(JobId(3))
    assert scheduler.cancel(JobId(2)) == [Forget(JobId(2))]
    assert scheduler.finished(JobId(1)) == [Start(JobId(3), Slot(0))]


def test_di8_cancelling_an_unknown_job_does_nothing() -> None:
    assert Scheduler(1).cancel(JobId(7)) == []


def test_di9_cancelling_again_does_nothing() -> None:
    scheduler = Scheduler(1)
    scheduler.submit(JobId(1))
    scheduler.submit(JobId(2))
    assert scheduler.cancel(JobId(1))
    assert scheduler.cancel(JobId(2))
    assert scheduler.cancel(JobId(1)) == scheduler.cancel(JobId(2)) == []


def test_di11_di12_stop_kills_forgets_and_takes_no_more() -> None:
    scheduler = Scheduler(1)
    scheduler.submit(JobId(1))
    scheduler.submit(JobId(2))
    assert scheduler.stop() == [Kill(JobId(1), Slot(0)), Forget(JobId(2))]
    assert scheduler.submit(JobId(3)) == [Forget(JobId(3))]
    assert scheduler.finished(JobId(1)) == []


def test_di16_finishing_what_does_not_run_is_a_bug() -> None:
    scheduler = Scheduler(1)
    scheduler.submit(JobId(1))
    scheduler.submit(JobId(2))
    for job in (2, 3):
        with pytest.raises(KeyError):
            scheduler.finished(JobId(job))
    scheduler.validate()


def test_di23_a_duplicate_id_is_a_bug() -> None:
    scheduler = Scheduler(1)
    scheduler.submit(JobId(1))
    with pytest.raises(ValueError, match="known already"):
        scheduler.submit(JobId(1))


@given(st.lists(st.tuples(st.integers(-3, 3), st.none() | st.floats(0, 1e6)), max_size=40))
def test_every_order_is_the_documented_one(jobs: list[tuple[int, float | None]]) -> None:
    scheduler = Scheduler(1)
    running = started(scheduler.submit(JobId(-1)))
    for number, (priority, estimate) in enumerate(jobs):
        scheduler.submit(JobId(number), priority=priority, estimate=estimate)

    def key(number: int) -> tuple[int, float, int]:
        priority, estimate = jobs[number]
        return (-priority, -float("inf") if estimate is None else -estimate, number)

    assert run_all(scheduler, running) == sorted(range(len(jobs)), key=key)


class Schedules(RuleBasedStateMachine):
    """Random submissions, cancellations and ends: each job ends once, and no slot is lost."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(3)
        self.running: set[int] = set()
        self.ended: set[int] = set()
        self.last = 0

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Start):
                assert effect.job not in self.running | self.ended
                self.running.add(effect.job)
            elif isinstance(effect, Forget):
                assert effect.job not in self.running | self.ended
                self.ended.add(effect.job)
            else:
                assert effect.job in self.running

    @rule(target=jobs, priority=st.integers(-2, 2), estimate=st.none() | st.floats(0, 10))
    def submit(self, priority: int, estimate: float | None) -> int:
        self.last += 1
        self.carry_out(self.scheduler.submit(JobId(self.last), priority=priority, estimate=estimate))
        return self.last

    @rule(job=jobs)
    def cancel(self, job: int) -> None:
        self.carry_out(self.scheduler.cancel(JobId(job)))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(job)
        self.ended.add(job)
        self.carry_out(self.scheduler.finished(JobId(job)))

    @invariant()
    def valid(self) -> None:
        self.scheduler.validate()


TestSchedules = Schedules.TestCase
