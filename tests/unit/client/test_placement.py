"""Which jobs of a client run on its machine, and which it offers to the broker."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_client.cluster.placement import (
    Began,
    Describe,
    Drop,
    Effect,
    Offer,
    Placement,
    RunHere,
    StopHere,
    Withdraw,
)
from maelstrom_worker.job_queue import JobId


def offered(placement: Placement, *numbers: int) -> None:
    for number in numbers:
        assert placement.submit(JobId(number), 1, tied=False) == [Describe(JobId(number))]
        assert placement.described(JobId(number)) == [Offer(JobId(number))]


def connected(slots: int) -> Placement:
    placement = Placement(slots)
    placement.greeted()
    return placement


def test_what_this_machine_cannot_run_is_left_to_the_broker_and_holds_up_nothing() -> None:
    placement = Placement(2, memory=10)
    placement.greeted()
    assert placement.submit(JobId(1), 1, tied=False, fits=False) == [Describe(JobId(1))]
    assert placement.submit(JobId(2), 1, tied=False, memory=11) == [Describe(JobId(2))]
    assert placement.submit(JobId(3), 3, tied=False) == [Describe(JobId(3))]
    assert placement.submit(JobId(4), 1, tied=False, memory=6) == [RunHere(JobId(4))]
    assert placement.submit(JobId(5), 1, tied=False, memory=6) == [Describe(JobId(5))]
    placement.described(JobId(5))
    assert placement.ended_here(JobId(4)) == [Withdraw(JobId(5))]
    assert placement.lost() == [RunHere(JobId(5))]
    assert placement.give_up() == [JobId(1), JobId(2), JobId(3)]
    placement.validate()


def test_a_free_slot_of_this_machine_is_used_first() -> None:
    placement = connected(1)
    assert placement.submit(JobId(1), 1, tied=False) == [RunHere(JobId(1))]
    offered(placement, 2)


def test_ro1_jobs_are_offered_as_they_come_and_what_is_tied_to_this_machine_runs_here() -> None:
    placement = connected(0)
    offered(placement, 1, 2)
    assert placement.submit(JobId(3), 1, tied=True) == [RunHere(JobId(3))]
    offered(placement, 4)


def test_ro4_a_result_is_told_once_and_what_nobody_waits_for_is_dropped() -> None:
    placement = connected(0)
    offered(placement, 1)
    assert placement.ended_there(JobId(1)) == []
    for job in (JobId(1), JobId(7)):
        assert placement.ended_there(job) is None
        assert placement.let_go(job) == placement.told(job, "running") == []


def test_ro5_that_a_job_begins_is_told_once_wherever_it_is() -> None:
    placement = connected(0)
    offered(placement, 1)
    told = [placement.told(JobId(1), state) for state in ("queued", "assigned", "running", "running")]
    assert told == [[], [], [Began(JobId(1))], []]
    assert placement.is_running(JobId(1))


def test_what_is_tied_to_this_machine_runs_here_even_if_it_has_to_wait() -> None:
    placement = connected(0)
    assert placement.submit(JobId(1), 1, tied=True) == [RunHere(JobId(1))]


def test_a_slot_that_becomes_free_takes_back_what_was_offered_last() -> None:
    placement = connected(1)
    placement.submit(JobId(1), 1, tied=False)
    offered(placement, 2, 3)
    assert placement.ended_here(JobId(1)) == [Withdraw(JobId(3))]
    assert placement.let_go(JobId(3)) == [RunHere(JobId(3))]


def test_what_a_worker_has_is_left_there() -> None:
    placement = connected(1)
    placement.submit(JobId(1), 1, tied=False)
    offered(placement, 2)
    assert placement.told(JobId(2), "assigned") == []
    assert placement.told(JobId(2), "running") == [Began(JobId(2))]
    assert placement.ended_here(JobId(1)) == []
    assert placement.told(JobId(2), "queued") == [Withdraw(JobId(2))]  # its worker was lost


def test_a_result_that_crosses_a_withdrawal_counts() -> None:
    placement = connected(1)
    placement.submit(JobId(1), 1, tied=False)
    offered(placement, 2, 3)
    placement.ended_here(JobId(1))
    assert placement.ended_there(JobId(3)) == [Withdraw(JobId(2))]


def test_after_a_lost_broker_everything_is_offered_again() -> None:
    placement = connected(0)
    offered(placement, 1, 2)
    placement.told(JobId(1), "running")
    assert placement.lost() == []
    assert placement.greeted() == [Offer(JobId(1)), Offer(JobId(2))]


def test_without_a_broker_slots_here_take_what_they_can() -> None:
    placement = connected(1)
    placement.submit(JobId(1), 1, tied=False)
    offered(placement, 2)
    placement.lost()
    assert placement.ended_here(JobId(1)) == [RunHere(JobId(2))]


def test_what_cannot_travel_stays() -> None:
    placement = connected(0)
    placement.submit(JobId(1), 1, tied=False)
    assert placement.stays(JobId(1)) == [RunHere(JobId(1))]


def test_cancelling_reaches_a_job_wherever_it_is() -> None:
    placement = connected(1)
    placement.submit(JobId(1), 1, tied=False)
    offered(placement, 2)
    placement.submit(JobId(3), 1, tied=False)
    assert placement.cancel(JobId(1)) == [StopHere(JobId(1))]
    assert placement.cancel(JobId(2)) == [Withdraw(JobId(2))]
    assert placement.cancel(JobId(3)) == [Drop(JobId(3))]
    assert placement.let_go(JobId(2)) == [Drop(JobId(2))]


STEPS = ["submit", "tied", "described", "stays", "cancel", "ended", "lost", "greeted", "told", "finished", "let go"]


@given(st.integers(0, 3), st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(1, 2))))
def test_whatever_happens_each_job_is_in_one_place_and_ends_once(slots: int, steps: list[tuple[str, int, int]]) -> None:
    placement = Placement(slots)
    here, there, ends = dict[JobId, None](), dict[JobId, None](), Counter[JobId]()
    last = 0
    for what, which, wide in [*steps, ("greeted", 0, 1), *[(what, 0, 1) for what in STEPS[2:] for _ in steps]]:
        effects: list[Effect] = []
        everyone = sorted(placement.jobs)
        at_broker, running = list(there), list(here)
        match what:
            case "submit" | "tied":
                last += 1
                effects = placement.submit(JobId(last), wide, tied=what == "tied")
            case "described" if everyone:
                effects = placement.described(everyone[which % len(everyone)])
            case "stays" if everyone and everyone[which % len(everyone)] not in there:
                effects = placement.stays(everyone[which % len(everyone)])
            case "cancel" if everyone:
                effects = placement.cancel(everyone[which % len(everyone)])
            case "ended" if running:
                job = running[which % len(running)]
                del here[job]
                ends[job] += 1
                effects = placement.ended_here(job)
            case "lost" if placement.up:
                there.clear()
                effects = placement.lost()
            case "greeted" if not placement.up:
                effects = placement.greeted()
            case "told" if at_broker:
                state = ("queued", "assigned", "running")[wide]
                effects = placement.told(at_broker[which % len(at_broker)], state)  # type: ignore[arg-type]
            case "finished" if at_broker:
                job = at_broker[which % len(at_broker)]
                del there[job]
                answer = placement.ended_there(job)
                assert answer is not None
                ends[job] += 1
                effects = answer
            case "let go" if at_broker:
                job = at_broker[which % len(at_broker)]
                del there[job]
                effects = placement.let_go(job)
        for effect in effects:
            match effect:
                case RunHere(job=job):
                    assert job not in there
                    assert job not in here
                    here[job] = None
                case Offer(job=job):
                    assert job not in here
                    assert job not in there
                    there[job] = None
                case Withdraw(job=job):
                    assert job in there
                case StopHere(job=job):
                    assert job in here
                case Drop(job=job):
                    ends[job] += 1
        placement.validate()
    assert set(ends.values()) <= {1}
