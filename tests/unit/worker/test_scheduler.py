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


def test_it_counts_the_slots_that_are_taken() -> None:
    scheduler = Scheduler(3)
    counts = [scheduler.taken]
    for number in (1, 2):
        scheduler.submit(JobId(number), slots=number)
        counts.append(scheduler.taken)
    for number in (1, 2):
        scheduler.finished(JobId(number))
        counts.append(scheduler.taken)
    assert counts == [0, 1, 3, 2, 0]


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


class TestWideJobs:
    """Jobs that take several slots."""

    def test_one_has_the_slots_to_itself(self) -> None:
        scheduler = Scheduler(3)
        assert started(scheduler.submit(JobId(1), slots=2)) == [1]
        assert started(scheduler.submit(JobId(2))) == [2]
        assert started(scheduler.submit(JobId(3))) == []
        assert started(scheduler.finished(JobId(1))) == [3]
        assert started(scheduler.submit(JobId(4))) == [4]

    def test_more_slots_than_there_are_is_a_bug(self) -> None:
        scheduler = Scheduler(2)
        for slots in (0, 3):
            with pytest.raises(ValueError, match="of 2 slots"):
                scheduler.submit(JobId(1), slots=slots)
        assert scheduler.counts()["queued"] == 0

    def test_others_pass_while_it_could_not_start_anyway(self) -> None:
        scheduler = Scheduler(2)
        assert started(scheduler.submit(JobId(1)) + scheduler.submit(JobId(2))) == [1, 2]
        scheduler.submit(JobId(3), slots=2)
        for job in range(4, 20):
            scheduler.submit(JobId(job))
        for job in (2, *range(4, 10)):  # 1 holds it up
            assert started(scheduler.finished(JobId(job))) == [4 if job == 2 else job + 1]
            scheduler.validate()

    def test_no_others_pass_once_what_held_it_up_is_over(self) -> None:
        scheduler = Scheduler(2)
        scheduler.submit(JobId(1))
        scheduler.submit(JobId(2))
        scheduler.submit(JobId(3), slots=2)
        scheduler.submit(JobId(4))
        scheduler.submit(JobId(5))
        assert started(scheduler.finished(JobId(2))) == [4]
        assert started(scheduler.finished(JobId(1))) == []
        assert scheduler.reserved() == 1
        assert started(scheduler.submit(JobId(6))) == []
        assert started(scheduler.finished(JobId(4))) == [3]
        assert started(scheduler.finished(JobId(3))) == [5, 6]

    def test_a_higher_priority_passes_always(self) -> None:
        scheduler = Scheduler(2)
        scheduler.submit(JobId(1))
        scheduler.submit(JobId(2), slots=2)
        scheduler.submit(JobId(3))
        assert started(scheduler.submit(JobId(4), priority=1)) == []
        assert started(scheduler.finished(JobId(1))) == [4]

    def test_a_cancelled_one_gives_back_what_was_reserved(self) -> None:
        scheduler = Scheduler(2)
        scheduler.submit(JobId(1))
        scheduler.submit(JobId(2))
        scheduler.submit(JobId(3), slots=2)
        scheduler.submit(JobId(4))
        scheduler.finished(JobId(2))
        scheduler.finished(JobId(1))
        scheduler.submit(JobId(5))
        assert scheduler.cancel(JobId(3)) == [Forget(JobId(3)), Start(JobId(5), Slot(0))]

    def test_its_estimate_counts_for_each_slot(self) -> None:
        scheduler = Scheduler(2)
        running = started(scheduler.submit(JobId(1), slots=2))
        scheduler.submit(JobId(2), estimate=1.5)
        scheduler.submit(JobId(3), estimate=1.0, slots=2)
        assert run_all(scheduler, running) == [3, 2]

    def test_stopping_starts_nothing_in_its_place(self) -> None:
        scheduler = Scheduler(2)
        scheduler.submit(JobId(1))
        scheduler.submit(JobId(2), slots=2)
        assert started(scheduler.submit(JobId(3))) == [3]
        scheduler.submit(JobId(4), slots=2)
        assert not [effect for effect in scheduler.stop() if isinstance(effect, Start)]

    @given(st.integers(2, 5), st.lists(st.integers(0, 4), max_size=30))
    def test_it_waits_for_what_ran_and_what_started_since_but_no_longer(self, slots: int, ends: list[int]) -> None:
        """However the others end, and however many come after it."""
        scheduler = Scheduler(slots)
        running = started([e for job in range(slots) for e in scheduler.submit(JobId(job))])
        scheduler.submit(JobId(1000), slots=slots)
        for job in range(2000, 3000):
            scheduler.submit(JobId(job))
        first = set(running)
        order = iter(ends)
        ended_after: set[int] = set()
        while 1000 not in running:
            job = running.pop(next(order, 0) % len(running))
            if not first:
                ended_after.add(job)
            first.discard(job)
            running += started(scheduler.finished(JobId(job)))
            scheduler.validate()
        assert running == [1000]
        assert len(ended_after) < slots


class Schedules(RuleBasedStateMachine):
    """Random submissions, cancellations and ends: each job ends once, no slot is lost, or idle but for a wide job."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(3)
        self.running: set[int] = set()
        self.width: dict[int, int] = {}
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

    @rule(
        target=jobs,
        priority=st.integers(-2, 2),
        estimate=st.none() | st.floats(0, 10),
        slots=st.sampled_from([1, 1, 2, 3]),
        group=st.sampled_from([None, "a", "b"]),
    )
    def submit(self, priority: int, estimate: float | None, slots: int, group: str | None) -> int:
        self.last += 1
        self.width[self.last] = slots
        self.carry_out(
            self.scheduler.submit(JobId(self.last), priority=priority, estimate=estimate, slots=slots, group=group)
        )
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
        used = sum(self.width[job] for job in self.running)
        assert used <= 3
        waiting = set(range(1, self.last + 1)) - self.running - self.ended
        if any(self.width[job] == 1 for job in waiting):
            assert 3 - used == self.scheduler.reserved()

    def teardown(self) -> None:
        """Whatever waits runs in the end."""
        while self.running:
            job = min(self.running)
            self.running.discard(job)
            self.ended.add(job)
            self.carry_out(self.scheduler.finished(JobId(job)))
        assert self.ended == set(range(1, self.last + 1))


TestSchedules = Schedules.TestCase
