"""What those who watch are told of a broker, and what admins do to it."""

from __future__ import annotations

import msgspec
import pytest

from maelstrom_broker import effects as e
from maelstrom_broker import overview
from maelstrom_broker.effects import Close, Send
from maelstrom_broker.records import Peer
from maelstrom_core import messages as m
from maelstrom_core.wire import DEFAULT_BOUNDS
from tests.unit.broker.driver import Driver, blobs, sent

ADMIN = 51


def busy() -> Driver:
    """One job that runs, one that waits at the worker, one that waits here, one without its artifact; an admin."""
    driver = Driver()
    driver.watcher(ADMIN, "admin")
    driver.client(1, "client-one-secret")
    driver.worker(101, slots=1)
    driver.submit(1, 0)
    driver.say(101, m.Started(driver.attempt("1.0")))
    driver.submit(1, 1)
    driver.submit(1, 2, priority=-5)
    driver.submit(1, 3, layers=blobs(1))
    driver.tick(2)
    return driver


def jobs(driver: Driver, *arguments: object) -> m.Jobs:
    ((_, message),) = sent(driver.say(ADMIN, m.GetJobs(*arguments)), m.Jobs)  # type: ignore[arg-type]
    assert isinstance(message, m.Jobs)
    return message


def test_jobs_are_listed_with_their_states_those_that_run_first() -> None:
    driver = busy()
    listed = jobs(driver)
    assert [(job.sequence, job.state, job.worker) for job in listed.jobs] == [
        (0, "running", "w101"),
        (1, "assigned", "w101"),
        (2, "queued", ""),
        (3, "artifacts", ""),
    ]
    assert {job.seconds for job in listed.jobs} == {2.0}
    assert listed.jobs[2].priority == -5
    assert [job.sequence for job in jobs(driver, 100, "queued").jobs] == [2]


def test_no_more_jobs_are_listed_than_were_asked_for_and_it_is_said_how_many_there_are() -> None:
    listed = jobs(busy(), 2)
    assert (listed.total, len(listed.jobs)) == (4, 2)


def test_of_the_name_of_a_client_only_the_beginning_is_told() -> None:
    driver = busy()
    status = driver.broker.status()
    assert [client.name for client in status.connected] == ["client-o"]
    assert "secret" not in repr((status, jobs(driver)))


def test_whatever_names_workers_have_the_status_fits_into_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr(driver.broker, "validate", lambda: None)
    for number in range(overview.SHOWN + 10):
        hello = m.Hello(m.PROTOCOL, "worker", name="\U0001f600" * 255 + "\n", offer=m.Offer(1000))
        driver.broker.handle(e.Connected(Peer(number), hello), 0.0)
    status = driver.broker.status()
    assert len(msgspec.json.encode(status)) < DEFAULT_BOUNDS.json
    assert status.total_workers == overview.SHOWN + 10
    assert status.slots == 1000 * status.total_workers


def test_an_admin_cancels_a_job_and_its_client_is_told_who_did() -> None:
    driver = busy()
    effects = driver.say(ADMIN, m.CancelJob(1, 0))
    assert sent(effects, m.Cancelled) == [(1, m.Cancelled(0, "cancelled by an admin"))]
    assert sent(effects, m.Stop) == [(101, m.Stop(1))]
    assert sent(effects, m.Done) == [(ADMIN, m.Done(1))]
    assert sent(driver.say(ADMIN, m.CancelJob(1)), m.Done) == [(ADMIN, m.Done(3))]
    assert jobs(driver).jobs == ()


def test_what_is_not_there_is_not_cancelled() -> None:
    driver = busy()
    assert driver.say(ADMIN, m.CancelJob(1, 77)) == [Send(Peer(ADMIN), m.Done(0))]
    assert driver.say(ADMIN, m.CancelJob(99)) == [Send(Peer(ADMIN), m.Done(0))]


def test_all_workers_are_drained_by_no_name() -> None:
    driver = busy()
    driver.worker(102)
    assert sent(driver.say(ADMIN, m.Drain("")), m.Done) == [(ADMIN, m.Done(2))]
    assert driver.broker.status().slots == 0


def test_an_admin_stops_the_broker_and_is_told_so_before() -> None:
    assert busy().say(ADMIN, m.StopBroker()) == [
        Send(Peer(ADMIN), m.Done(1)),
        e.Stop("an admin stopped the broker"),
    ]


@pytest.mark.parametrize("message", [m.CancelJob(1), m.StopBroker(), m.Drain("w101")])
def test_who_may_only_look_is_parted_with_when_it_does_more(message: m.Message) -> None:
    driver = busy()
    driver.watcher(60)
    assert driver.say(60, message) == [Close(Peer(60), f"said what it may not: {type(message).__name__}")]
    assert jobs(driver).total == 4
