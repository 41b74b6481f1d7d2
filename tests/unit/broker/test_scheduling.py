"""Which job runs where: behaviours SC1 to SC22 by their exact effects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_broker.effects import Close, Effect, Send
from maelstrom_broker.records import Peer, length_class
from maelstrom_core import messages as m
from tests.unit.broker.driver import Driver, blobs, runs, states


def order(driver: Driver, worker: int, first: list[tuple[int, str]]) -> list[str]:
    """End what a worker has, first come first, until it gets no more; return all it was given."""
    given = [job for _, job in first]
    waiting = list(given)
    while waiting:
        effects = driver.end(worker, waiting.pop(0))
        more = [
            effect.body.decode() for effect in effects if isinstance(effect, Send) and isinstance(effect.message, m.Run)
        ]
        given += more
        waiting += more
    return given


def test_sc1_priority_then_longest_then_as_they_came() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    for sequence, (priority, estimate) in enumerate(
        [(0, 9.0), (1, 1.0), (1, 2.0), (0, None), (1, None), (-1, None), (0, None)]
    ):
        driver.submit(1, sequence, priority=priority, estimate=estimate)
    given = order(driver, 101, runs(driver.worker(101)))
    assert given == ["1.4", "1.2", "1.1", "1.3", "1.6", "1.0", "1.5"]


def test_jobs_of_about_the_same_length_go_as_they_came() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    for sequence, estimate in enumerate([1.0, 1.2, 1.1, 1.3, 0.0, 1e-9, 1.0]):
        driver.submit(1, sequence, estimate=estimate)
    given = order(driver, 101, runs(driver.worker(101)))
    assert given == ["1.3", "1.0", "1.1", "1.2", "1.6", "1.4", "1.5"]


def test_a_job_that_waits_again_has_its_old_place() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    for worker in (101, 102):
        driver.worker(worker)
    for sequence in range(5):
        driver.submit(1, sequence, estimate=1.0)
    driver.gone(101)
    assert driver.end(102, "1.1")[-1] == Send(Peer(102), m.Run(3), b"1.0")
    assert order(driver, 102, [(102, "1.0")]) == ["1.0", "1.2", "1.3", "1.4"]


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_class_of_length_is_greater_for_what_takes_a_quarter_longer(one: float, two: float) -> None:
    seconds, other = sorted((one, two))
    assert length_class(seconds) <= length_class(other) < length_class(None)
    if other >= 1.25 * seconds and other > 1e-5:
        assert length_class(seconds) < length_class(other)


def test_sc2_who_connects_under_a_number_that_is_taken_is_a_bug_and_who_leaves_twice_is_not() -> None:
    driver = Driver()
    driver.client(1)
    with pytest.raises(ValueError, match="peer 1 is connected already"):
        driver.client(1, "other")
    driver.gone(1)
    assert driver.gone(1) == []


def test_sc3_a_client_that_is_gone_leaves_nothing() -> None:
    driver = Driver()
    driver.client(1)
    driver.submit(1, 0, layers=blobs(1))
    driver.submit(1, 1)
    driver.gone(1)
    assert driver.broker.gatherer.gatherings == {}
    assert driver.broker.gatherer.wants == {}
    assert driver.broker.status() == m.Status(0, 0, 0, 0, 0, 0, 0)


def test_sc4_a_job_without_its_artifacts_waits_for_them() -> None:
    driver = Driver()
    driver.client(1, states=True)
    driver.worker(101)
    effects = driver.submit(1, 0, layers=blobs(1))
    assert states(effects) == [(1, 0, "artifacts", "")]
    assert driver.broker.status().artifacts == 1


def test_sc5_a_job_that_is_ready_goes_to_a_worker_at_once() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    assert driver.submit(1, 0) == [Send(Peer(101), m.Run(1), b"1.0")]
    assert driver.broker.status().running == 1


def test_sc6_without_a_worker_it_waits() -> None:
    driver = Driver()
    driver.client(1, states=True)
    assert states(driver.submit(1, 0)) == [(1, 0, "queued", "")]
    assert driver.broker.status().queued == 1


def test_sc7_one_slot_has_one_job_and_one_ahead() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    assert [len(runs(driver.submit(1, sequence))) for sequence in range(3)] == [1, 1, 0]


def test_sc8_a_worker_that_comes_gets_what_waits() -> None:
    driver = Driver()
    driver.client(1)
    for sequence in range(3):
        driver.submit(1, sequence)
    assert runs(driver.worker(101, slots=2)) == [(101, "1.0"), (101, "1.1"), (101, "1.2")]


def test_sc9_a_result_is_passed_on_and_the_next_job_goes_to_the_same_worker() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    assert driver.end(101, "1.0", b"result") == [
        Send(Peer(1), m.Finished(0, "w101", 1), b"result"),
        Send(Peer(101), m.Run(2), b"1.1"),
    ]
    assert driver.broker.status().finished == 1


def test_sc10_sc13_what_a_worker_says_of_an_attempt_that_is_none_of_its_own_is_dropped() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.worker(102)
    for worker, attempt in ((101, 7), (102, 1)):
        for message in (
            m.Ended(attempt),
            m.Started(attempt),
            m.Broken(attempt, "x"),
            m.Stopped(attempt),
            m.Returned(attempt),
        ):
            assert driver.say(worker, message) == []
    assert driver.broker.status().running == 1


def test_sc11_what_comes_from_somebody_who_is_gone_is_dropped() -> None:
    driver = Driver()
    assert driver.say(7, m.Ended(1)) == []
    assert driver.say(7, m.Submit(1)) == []


def test_sc12_the_client_is_told_when_its_job_begins() -> None:
    driver = Driver()
    driver.client(1, states=True)
    driver.worker(101)
    assert states(driver.submit(1, 0)) == [(1, 0, "queued", ""), (1, 0, "assigned", "w101")]
    assert states(driver.say(101, m.Started(1))) == [(1, 0, "running", "w101")]


def test_sc14_jobs_of_a_lost_worker_wait_again() -> None:
    driver = Driver()
    driver.client(1, states=True)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    assert states(driver.gone(101)) == [(1, 0, "queued", ""), (1, 1, "queued", "")]
    assert driver.broker.status().queued == 2


def test_sc15_or_go_to_another_one() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.worker(102)
    assert driver.gone(101) == [Send(Peer(102), m.Run(2), b"1.0")]


def test_what_a_job_of_a_lost_worker_wants_anew_does_not_count_that_worker() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.worker(102, slots=2, memory=100)
    assert runs(driver.say(101, m.Broken(driver.attempt("1.0"), "disk full"))) == [(102, "1.0")]
    for sequence in range(1, 12):  # until what the job wanted at first is forgotten
        assert runs(driver.submit(1, sequence, memory=sequence)) == [(102, f"1.{sequence}")]
        driver.end(102, f"1.{sequence}")
    assert runs(driver.gone(102)) == [(101, "1.0")]


def test_sc16_a_client_that_is_gone_makes_room_for_others_when_its_jobs_have_stopped() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.client(2)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    driver.submit(2, 0)
    assert driver.gone(1) == [Send(Peer(101), m.Stop(1))]
    assert driver.say(101, m.Stopped(1)) == [Send(Peer(101), m.Run(2), b"2.0")]


def test_sc17_the_least_loaded_worker_is_next_and_the_first_of_equals() -> None:
    driver = Driver()
    driver.client(1)
    for worker, slots in ((101, 2), (102, 2), (103, 3)):
        driver.worker(worker, slots)
    workers = [worker for sequence in range(14) for worker, _ in runs(driver.submit(1, sequence))]
    assert workers == [101, 102, 103, 103, 101, 102, 103, 101, 102, 103, 103, 101, 102, 103]
    assert runs(driver.submit(1, 14)) == []


def test_sc18_artifacts_for_clients_that_are_gone_make_nothing_ready() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0, layers=blobs(1))
    driver.gone(1)
    assert driver.stored(1) == []


def test_sc19_jobs_that_are_ready_together_are_all_placed() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.worker(102)
    for sequence in range(4):
        driver.submit(1, sequence, layers=blobs(1))
    assert runs(driver.stored(1)) == [(101, "1.0"), (102, "1.1"), (101, "1.2"), (102, "1.3")]


def test_sc20_jobs_whose_artifacts_cannot_be_had_fail_and_tell_why() -> None:
    driver = Driver()
    driver.client(1)
    driver.submit(1, 0, layers=blobs(1))
    driver.submit(1, 1, layers=blobs(1))
    reason = f"failed to get artifact {blobs(1)[0].digest}: it is gone"
    assert driver.say(1, m.NoArtifact(blobs(1)[0].digest, "it is gone")) == [
        Send(Peer(1), m.Failed(0, reason)),
        Send(Peer(1), m.Failed(1, reason)),
    ]
    assert driver.broker.status().failed == 2


def test_sc21_the_worker_that_has_finished_is_next() -> None:
    driver = Driver()
    driver.client(1)
    for worker in (101, 102):
        driver.worker(worker, slots=2)
    for sequence in range(4):
        driver.submit(1, sequence)
    driver.end(102, "1.1")
    assert runs(driver.submit(1, 4)) == [(102, "1.4")]


def lacking(effects: list[Effect]) -> list[tuple[int, int, str]]:
    return [
        (each.peer, each.message.sequence, each.message.reason)
        for each in effects
        if isinstance(each, Send) and isinstance(each.message, m.Lacking)
    ]


def test_clients_are_told_once_what_no_worker_has_until_one_has_it() -> None:
    driver = Driver()
    driver.client(1, states=True)
    driver.client(2)
    reason = "no worker that is connected has gpu=yes"
    driver.worker(101)
    assert lacking(driver.submit(1, 0, labels=("gpu=yes",))) == [(1, 0, reason)]
    assert lacking(driver.submit(1, 1, labels=("gpu=yes",))) == []
    assert lacking(driver.submit(2, 0, labels=("gpu=yes",))) == []
    assert driver.broker.status().lacking == ((reason, 3),)
    driver.worker(102, labels=("gpu=yes",))
    assert lacking(driver.gone(102)) == [(1, 0, reason)]
    assert driver.broker.status().lacking == ((reason, 3),)


def test_sc22_workers_that_come_one_by_one_get_jobs_in_order() -> None:
    driver = Driver()
    driver.client(1)
    for priority in range(3):
        for number, estimate in enumerate((None, 1.0, 2.0)):
            driver.submit(1, priority * 3 + number, priority=priority, estimate=estimate)
    given = [[job for _, job in runs(driver.worker(101 + number))] for number in range(5)]
    assert given == [["1.6", "1.8"], ["1.7", "1.3"], ["1.5", "1.4"], ["1.0", "1.2"], ["1.1"]]


def test_sc23_who_asks_is_told_what_is_in_hand() -> None:
    driver = Driver()
    driver.client(1)
    driver.watcher(50)
    driver.worker(101, slots=2)
    for sequence in range(4):
        driver.submit(1, sequence)
    driver.submit(1, 5, slots=2)
    worker = m.WorkerStatus("w101", 2, 2, 2, draining=False, peer=101)
    client = m.ClientStatus(1, "c1", jobs=5, used=4, seconds=0.0)
    expected = m.Status(1, 0, 1, 4, 0, 0, 0, (worker,), (client,), total_workers=1, slots=2, used=2)
    assert driver.say(50, m.GetStatus()) == [Send(Peer(50), expected)]


def test_sc24_a_client_that_offers_a_job_twice_is_parted_with_and_nobody_else() -> None:
    driver = Driver()
    driver.client(1)
    driver.client(2)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(2, 0)
    assert driver.submit(1, 0) == [Close(Peer(1), "offered job 0 twice"), Send(Peer(101), m.Stop(1))]
    assert len(driver.end(101, "2.0")) == 1
