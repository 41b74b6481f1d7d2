"""What goes beyond the catalogue: fair shares, wide jobs, layers, recalls, attempts, cancelling, draining, silence."""

from __future__ import annotations

from maelstrom_broker.effects import Close, Said, Send
from maelstrom_broker.records import Peer
from maelstrom_core import messages as m
from tests.unit.broker.driver import Driver, blobs, runs, sent


def test_clients_share_the_slots_whoever_came_first() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.client(2)
    driver.worker(101, slots=4)
    for sequence in range(8):
        driver.submit(1, sequence, estimate=9.0)
    for sequence in range(4):
        driver.submit(2, sequence, estimate=1.0)
    got = []
    for job in ("1.0", "1.1", "1.2", "1.3"):
        got += [
            effect.body.decode() for effect in driver.end(101, job) if isinstance(effect, Send) and effect.peer == 101
        ]
    assert got == ["2.0", "2.1", "1.4", "1.5"]  # two slots each


def test_a_job_that_needs_several_slots_is_not_passed_over_for_ever() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.worker(101, slots=2)
    for sequence in range(2):
        driver.submit(1, sequence, estimate=1.0)
    driver.submit(1, 10, slots=2)
    driver.submit(1, 11, estimate=1.0)
    assert sent(driver.end(101, "1.0"), m.Run) == []
    driver.submit(1, 12, estimate=1.0)
    assert sent(driver.end(101, "1.1"), m.Run) == [(101, m.Run(3, slots=2))]
    assert [peer for peer, _ in sent(driver.end(101, "1.10"), m.Run)] == [101, 101]


def test_the_reserved_worker_is_free_again_when_another_takes_the_job() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.worker(101, slots=2)
    for sequence in range(2):
        driver.submit(1, sequence, estimate=1.0)
    driver.submit(1, 10, slots=2)
    driver.submit(1, 11, estimate=1.0)
    driver.end(101, "1.0")
    assert runs(driver.worker(102, slots=2)) == [(102, "1.10"), (101, "1.11")]


def test_labels_and_memory_decide_where_a_job_can_run() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101, slots=4, memory=100, labels=("arm64",))
    driver.worker(102, slots=4, memory=1000, labels=("x86_64", "gpu"))
    assert runs(driver.submit(1, 0, labels=("gpu",))) == [(102, "1.0")]
    assert runs(driver.submit(1, 1, memory=600)) == [(102, "1.1")]
    assert runs(driver.submit(1, 2, memory=600)) == []
    assert runs(driver.submit(1, 3, labels=("gpu", "arm64"))) == []
    assert runs(driver.submit(1, 4, memory=100)) == [(101, "1.4")]
    assert [peer for peer, _ in sent(driver.end(102, "1.1"), m.Run)] == [102]


def test_jobs_go_where_their_layers_are() -> None:
    driver = Driver()
    driver.client(1)
    for number in (1, 2):
        driver.stored(number)
    driver.worker(101, slots=2)
    driver.worker(102, slots=2)
    driver.say(102, m.Holding((blobs(1)[0].digest,)))
    assert runs(driver.submit(1, 0, layers=blobs(1))) == [(102, "1.0")]
    assert runs(driver.submit(1, 1, layers=blobs(2))) == [(101, "1.1")]
    assert runs(driver.submit(1, 2, layers=blobs(1))) == [(102, "1.2")]
    driver.say(101, m.Holding((), (blobs(2)[0].digest,)))
    driver.end(102, "1.0")
    assert runs(driver.submit(1, 3, layers=blobs(1, 2))) == [(102, "1.3")]


def test_a_worker_takes_a_job_whose_layers_it_has_before_an_equal_one() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    for number in (1, 2):
        driver.stored(number)
    driver.worker(101)
    driver.submit(1, 0, layers=blobs(1))
    driver.submit(1, 1, layers=blobs(2))
    driver.submit(1, 2, layers=blobs(1))
    assert [job for _, job in runs(driver.end(101, "1.0")[1:])] == ["1.2"]
    assert [job for _, job in runs(driver.end(101, "1.2")[1:])] == ["1.1"]


def test_a_worker_with_free_slots_has_jobs_recalled_that_wait_elsewhere() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    assert driver.worker(102) == [Send(Peer(101), m.Recall(2))]
    assert driver.say(101, m.Returned(2)) == [Send(Peer(102), m.Run(3), b"1.1")]


def test_a_recall_that_comes_too_late_means_nothing() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    driver.worker(102)
    assert sent(driver.end(101, "1.0"), m.Finished) == [(1, m.Finished(0, "w101", 1))]
    assert driver.say(101, m.Started(2)) == []
    assert sent(driver.end(101, "1.1"), m.Finished) == [(1, m.Finished(1, "w101", 1))]


def test_what_began_before_one_whose_layers_are_fetched_is_not_recalled_and_counts() -> None:
    driver = Driver(attempts=1)
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    driver.say(101, m.Started(2))
    assert driver.worker(102) == []
    lost = sent(driver.gone(101), m.Failed)
    assert [message.sequence for _, message in lost if isinstance(message, m.Failed)] == [0, 1]


def test_of_what_comes_at_once_the_first_by_rank_gets_the_slot() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.worker(101)
    for sequence, priority in enumerate((0, 2, 1)):
        submit = m.Submit(sequence, priority=priority)
        driver.broker.take(Said(Peer(1), submit, f"1.{sequence}".encode()), driver.now)
    assert runs(driver.broker.settle()) == [(101, "1.1")]
    driver.broker.validate()


def test_who_waits_for_a_recall_that_came_too_late_gets_another_one() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.worker(102)
    for sequence in range(4):
        driver.submit(1, sequence)
    assert driver.worker(103) == [Send(Peer(102), m.Recall(4))]
    assert sent(driver.end(102, "1.1"), m.Recall) == []
    assert driver.say(102, m.Started(4)) == [Send(Peer(101), m.Recall(3))]


def test_a_job_that_keeps_killing_workers_is_given_up_with_what_is_known() -> None:
    driver = Driver()
    driver.client(1)
    driver.submit(1, 0)
    for worker in (101, 102):
        driver.worker(worker)
        assert driver.gone(worker) == []
    driver.worker(103)
    lost = "the worker was lost: the connection broke"
    attempts = tuple(m.LostAttempt(f"w{worker}", lost) for worker in (101, 102, 103))
    assert driver.gone(103) == [Send(Peer(1), m.Failed(0, "given up after 3 attempts", attempts))]


def test_a_job_that_only_waited_at_a_worker_that_died_is_not_blamed() -> None:
    driver = Driver(attempts=1)
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    assert [peer for peer, _ in sent(driver.gone(101), m.Failed)] == [1]
    assert runs(driver.worker(102)) == [(102, "1.1")]


def test_a_worker_that_cannot_run_a_job_does_not_get_it_again_while_there_are_others() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.worker(102)
    driver.submit(1, 0)
    driver.submit(1, 1)
    assert driver.say(101, m.Broken(1, "disk full")) == [Send(Peer(102), m.Run(3), b"1.0")]
    effects = driver.gone(102)
    assert runs(effects) == [(101, "1.0"), (101, "1.1")]


def test_who_could_not_run_a_job_is_forgiven_when_nobody_else_is_there_for_it_and_not_while_it_is_at_a_worker() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.worker(102)
    driver.submit(1, 0)
    driver.submit(1, 1)
    driver.say(101, m.Broken(driver.attempt("1.0"), "disk full"))
    recalled = driver.attempt("1.0")  # waits behind 1.1
    assert driver.say(102, m.Draining()) == [Send(Peer(102), m.Recall(recalled))]
    driver.worker(103)
    assert runs(driver.say(102, m.Returned(recalled))) == [(103, "1.0")]
    assert runs(driver.submit(1, 2)) == [(101, "1.2")]
    assert runs(driver.say(103, m.Broken(driver.attempt("1.0"), "disk full"))) == [(103, "1.0")]  # both have failed


def test_cancel_is_answered_at_once_and_the_slot_is_free_when_the_worker_says_so() -> None:
    driver = Driver(look_ahead=0)
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    driver.submit(1, 2)
    assert driver.say(1, m.Cancel(2)) == [Send(Peer(1), m.Cancelled(2))]
    assert driver.say(1, m.Cancel(0)) == [Send(Peer(101), m.Stop(1)), Send(Peer(1), m.Cancelled(0))]
    assert driver.say(1, m.Cancel(0)) == []
    assert driver.say(101, m.Ended(1), b"late") == [Send(Peer(101), m.Run(2), b"1.1")]


def test_a_worker_that_does_not_stop_what_it_should_is_parted_with() -> None:
    driver = Driver(patience=20)
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.say(1, m.Cancel(0))
    for peer in (1, 101):
        driver.now = 19
        driver.say(peer, m.Heartbeat())
    assert Close(Peer(101), "did not stop a job in time") in driver.tick(1)
    assert driver.broker.status().workers == ()


def test_who_is_silent_is_parted_with_and_who_is_not_is_told_that_we_are_here() -> None:
    driver = Driver(silence=30)
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.tick(0)
    driver.now = 10
    driver.say(1, m.Heartbeat())
    assert driver.tick(19) == [Send(Peer(1), m.Heartbeat()), Send(Peer(101), m.Heartbeat())]
    assert driver.tick(1) == [Close(Peer(101), "silent for 30 seconds")]
    assert driver.broker.status().queued == 1


def test_a_client_that_connects_again_takes_the_place_of_its_former_self() -> None:
    driver = Driver()
    driver.client(1, "same")
    driver.worker(101)
    driver.submit(1, 0)
    assert driver.client(2, "same") == [Close(Peer(1), "connected again"), Send(Peer(101), m.Stop(1))]
    assert runs(driver.submit(2, 0)) == [(101, "2.0")]
    assert driver.say(101, m.Ended(1), b"late") == []
    assert driver.end(101, "2.0", b"new") == [Send(Peer(2), m.Finished(0, "w101", 1), b"new")]
    assert driver.gone(1) == []


def test_a_worker_that_drains_gets_nothing_and_gives_back_what_has_not_begun() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.submit(1, 1)
    driver.submit(1, 2)
    assert driver.say(101, m.Draining()) == [Send(Peer(101), m.Recall(2))]
    assert driver.say(101, m.Draining()) == []
    assert driver.say(101, m.Returned(2)) == []
    assert sent(driver.end(101, "1.0"), m.Run) == []
    assert runs(driver.worker(102)) == [(102, "1.1"), (102, "1.2")]


def test_only_admins_drain_workers() -> None:
    driver = Driver()
    driver.watcher(50)
    driver.watcher(51, "admin")
    driver.client(1)
    driver.worker(101)
    assert driver.say(50, m.Drain("w101")) == [Close(Peer(50), "said what it may not: Drain")]
    assert driver.say(51, m.Drain("w101")) == [Send(Peer(51), m.Done(1))]
    assert runs(driver.submit(1, 0)) == []


def test_what_a_client_may_have_is_bounded() -> None:
    driver = Driver(jobs=2, shapes=1)
    driver.client(1)
    driver.submit(1, 0)
    assert driver.submit(1, 1, slots=2) == [
        Send(Peer(1), m.Failed(1, "more than 1 different requirements among the unfinished jobs"))
    ]
    driver.submit(1, 2)
    assert driver.submit(1, 3) == [Send(Peer(1), m.Failed(3, "more than 2 unfinished jobs"))]


def test_the_story_of_a_job_says_what_happened_to_it() -> None:
    driver = Driver()
    driver.client(1)
    driver.worker(101)
    driver.submit(1, 0)
    driver.gone(101)
    driver.worker(102)
    driver.end(102, "1.0")
    told = [(entry.what, entry.worker) for entry in driver.broker.scheduler.story.of(("c1", 0))]
    lost = "the worker was lost: the connection broke"
    assert told == [("assigned", "w101"), (lost, "w101"), ("assigned", "w102"), ("finished", "w102")]
