"""What a slot takes next: the order, and how slots are kept with groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_worker.job_queue import JobId, JobQueue, Slot

A, B, C = "a", "b", "c"


def queue(*jobs: tuple[int, str | None]) -> JobQueue:
    made = JobQueue()
    for number, group in jobs:
        made.push(JobId(number), group=group)
    return made


def take(made: JobQueue, *slots: int) -> list[int]:
    return [made.pop(Slot(slot)) for slot in slots]


def test_a_slot_stays_with_its_group() -> None:
    assert take(queue((1, A), (2, B), (3, A), (4, B)), 0, 0, 0, 0) == [1, 3, 2, 4]


def test_slots_take_different_groups() -> None:
    assert take(queue((1, A), (2, A), (3, B), (4, B)), 0, 1, 0, 1) == [1, 3, 2, 4]


def test_slots_share_a_group_when_there_are_no_others() -> None:
    assert take(queue((1, A), (2, A), (3, A)), 0, 1, 0) == [1, 2, 3]


def test_a_slot_that_shares_a_group_leaves_it_for_one_that_nobody_has() -> None:
    made = queue((1, A), (2, A), (3, A))
    assert take(made, 0, 1) == [1, 2]
    made.push(JobId(4), group=B)
    assert take(made, 1, 0) == [4, 3]


def test_the_group_with_the_longest_job_is_begun_first() -> None:
    made = JobQueue()
    for number, (group, estimate) in enumerate([(A, 1.0), (B, 5.0), (A, 2.0), (C, 3.0)]):
        made.push(JobId(number), group=group, estimate=estimate)
    assert take(made, 0, 1, 2, 0) == [1, 3, 2, 0]


def test_priority_goes_before_staying() -> None:
    made = queue((1, A), (2, A))
    assert take(made, 0) == [1]
    made.push(JobId(3), group=B, priority=1)
    made.push(JobId(4), priority=2)
    assert take(made, 0, 0, 0) == [4, 3, 2]


def test_jobs_without_a_group_wait_among_the_others() -> None:
    made = JobQueue()
    made.push(JobId(1), estimate=1.0, group=A)
    made.push(JobId(2), estimate=2.0)
    made.push(JobId(3), estimate=0.5)
    assert take(made, 0, 0, 0) == [2, 1, 3]


def test_what_is_discarded_does_not_come_up() -> None:
    made = queue((1, A), (2, A), (3, None), (4, B))
    for job in (1, 3, 4):
        made.discard(JobId(job))
    assert len(made) == 1
    assert take(made, 0) == [2]
    with pytest.raises(IndexError):
        made.pop(Slot(0))


JOBS = st.tuples(st.sampled_from([A, B, C, None]), st.integers(-1, 1), st.none() | st.floats(0, 9), st.booleans())


@given(st.lists(JOBS, max_size=30), st.data())
def test_every_job_comes_up_once_and_none_before_one_of_higher_priority(
    jobs: list[tuple[str | None, int, float | None, bool]], data: st.DataObject
) -> None:
    made = JobQueue()
    left: dict[int, int] = {}
    for number, (group, priority, estimate, _) in enumerate(jobs):
        made.push(JobId(number), priority=priority, estimate=estimate, group=group)
        left[number] = priority
    for number, job in enumerate(jobs):
        if job[3]:
            made.discard(JobId(number))
            del left[number]
    while made:
        taken = made.pop(Slot(data.draw(st.integers(0, 2))))
        assert left.pop(taken) >= max(left.values(), default=-9)
    assert not left
