"""Which artifacts are asked for, of whom, and when jobs are ready: behaviours AG1 to AG20 by their exact effects."""

from __future__ import annotations

from maelstrom_broker import effects as e
from maelstrom_broker.effects import ReadManifest, Send
from maelstrom_broker.records import Peer
from maelstrom_core import messages as m
from tests.unit.broker.driver import Driver, blobs, digest, manifests, runs, sent


def cluster(**settings: int) -> Driver:
    """Clients 1 and 2, and a worker that has a slot for each job of these tests."""
    driver = Driver(**settings)
    driver.client(1)
    driver.client(2)
    driver.worker(101, slots=50)
    return driver


def want(client: int, number: int) -> Send:
    return Send(Peer(client), m.WantArtifact(digest(number)))


def entries(driver: Driver, manifest: int, *named: int) -> list[e.Effect]:
    return driver.handle(e.ManifestEntries(digest(manifest), tuple(map(digest, named))))


def read(driver: Driver, manifest: int, error: str | None = None) -> list[e.Effect]:
    return driver.handle(e.ManifestRead(digest(manifest), error))


def references(driver: Driver) -> dict[int, int]:
    return {int(each, 16): count for each, count in driver.broker.gatherer.references.items()}


def test_ag1_a_job_whose_artifacts_are_there_is_ready() -> None:
    driver = cluster()
    driver.stored(3)
    assert runs(driver.submit(1, 0, layers=blobs(3))) == [(101, "1.0")]


def test_ag2_an_artifact_named_twice_is_held_once() -> None:
    driver = cluster()
    driver.stored(3)
    assert runs(driver.submit(1, 0, layers=blobs(3, 3))) == [(101, "1.0")]
    assert references(driver) == {3: 1}


def test_ag3_ag4_one_client_is_asked_however_many_need_it() -> None:
    driver = cluster()
    assert driver.submit(1, 0, layers=blobs(3)) == [want(1, 3)]
    assert driver.submit(1, 1, layers=blobs(3)) == []
    assert driver.submit(2, 0, layers=blobs(3)) == []
    assert runs(driver.stored(3)) == [(101, "1.0"), (101, "2.0"), (101, "1.1")]


def test_ag5_a_manifest_is_read_before_the_job_is_ready() -> None:
    driver = cluster()
    driver.stored(3)
    assert driver.submit(1, 0, layers=manifests(3)) == [ReadManifest(digest(3))]
    assert runs(read(driver, 3)) == [(101, "1.0")]


def test_ag6_a_manifest_is_read_when_it_has_come() -> None:
    driver = cluster()
    assert driver.submit(1, 0, layers=manifests(3)) == [want(1, 3)]
    assert driver.submit(2, 0, layers=manifests(3)) == []
    assert driver.stored(3) == [ReadManifest(digest(3))]
    assert runs(read(driver, 3)) == [(101, "1.0"), (101, "2.0")]


def test_ag7_an_artifact_that_nobody_wants_is_taken() -> None:
    driver = cluster()
    assert driver.stored(3) == []
    assert runs(driver.submit(1, 0, layers=blobs(3))) == [(101, "1.0")]


def test_ag8_only_jobs_that_wait_for_nothing_else_are_ready() -> None:
    driver = cluster()
    driver.submit(1, 0, layers=blobs(3))
    driver.submit(1, 1, layers=blobs(3, 4))
    driver.submit(2, 0, layers=blobs(3))
    assert runs(driver.stored(3)) == [(101, "1.0"), (101, "2.0")]
    assert runs(driver.stored(4)) == [(101, "1.1")]


def test_ag9_when_an_artifact_is_refused_the_next_client_is_asked_and_jobs_fail_when_none_is_left() -> None:
    """The original failed all jobs of all clients with the first refusal."""
    driver = cluster()
    driver.submit(1, 0, layers=blobs(3))
    driver.submit(2, 0, layers=blobs(3))
    assert driver.handle(e.NotStored(digest(3), Peer(1), "another digest")) == [want(2, 3)]
    assert driver.handle(e.NotStored(digest(3), Peer(1), "said twice")) == []
    reason = f"failed to get artifact {digest(3)}: another digest; it is gone"
    assert driver.say(2, m.NoArtifact(digest(3), "it is gone")) == [
        Send(Peer(1), m.Failed(0, reason)),
        Send(Peer(2), m.Failed(0, reason)),
    ]
    assert references(driver) == {}


def slow_first(**settings: float) -> Driver:
    """Client 1 was asked for 3 and 4, and gives nothing."""
    driver = cluster(upload_patience=5, **settings)  # type: ignore[arg-type]
    driver.submit(1, 0, layers=blobs(3, 4))
    driver.submit(2, 0, layers=blobs(3, 4))
    return driver


def asked(effects: list[e.Effect]) -> list[tuple[int, int]]:
    """Who is asked for what."""
    return [
        (each.peer, int(each.message.digest, 16))
        for each in effects
        if isinstance(each, Send) and isinstance(each.message, m.WantArtifact)
    ]


def test_another_client_is_asked_as_well_where_nothing_comes_and_what_comes_first_counts() -> None:
    driver = slow_first()
    assert asked(driver.tick(4)) == []
    assert asked(driver.tick(1)) == [(2, 3), (2, 4)]
    assert asked(driver.tick(4)) == []
    assert driver.stored(3) == []
    assert runs(driver.stored(4)) == [(101, "1.0"), (101, "2.0")]
    assert driver.stored(3) == []  # the other one, late


def test_who_gives_something_now_and_then_is_not_slow() -> None:
    driver = slow_first()
    driver.tick(4)
    driver.stored(3)
    assert asked(driver.tick(4)) == []
    assert asked(driver.tick(1)) == [(2, 4)]


def test_a_slow_client_is_asked_last_until_something_comes_of_it() -> None:
    driver = slow_first()
    driver.tick(5)
    assert asked(driver.submit(1, 1, layers=blobs(5))) == [(1, 5)]  # there is nobody else
    assert asked(driver.submit(2, 1, layers=blobs(5, 6))) == [(2, 5), (2, 6)]
    assert asked(driver.submit(1, 2, layers=blobs(7))) == [(1, 7)]
    driver.stored(7)  # nobody else was asked for it
    assert asked(driver.submit(1, 3, layers=blobs(8))) == [(1, 8)]
    assert asked(driver.submit(2, 2, layers=blobs(8))) == []


def test_where_all_are_slow_nobody_is_asked_twice_and_all_must_refuse() -> None:
    driver = slow_first()
    driver.tick(5)
    assert asked(driver.tick(5)) == []
    assert driver.say(1, m.NoArtifact(digest(3), "gone")) == []
    effects = driver.say(2, m.NoArtifact(digest(3), "gone, too"))
    assert [effect.peer for effect in effects if isinstance(effect, Send)] == [1, 2]
    assert all(isinstance(effect, Send) and isinstance(effect.message, m.Failed) for effect in effects)


def test_what_only_a_slow_client_has_is_asked_of_it_alone() -> None:
    driver = cluster(upload_patience=5)
    driver.submit(1, 0, layers=blobs(3))
    assert asked(driver.tick(20)) == []
    assert asked(driver.submit(2, 0, layers=blobs(3))) == [(2, 3)]


def test_who_has_refused_is_asked_again_for_a_later_job() -> None:
    driver = cluster()
    driver.submit(1, 0, layers=blobs(3))
    driver.say(1, m.NoArtifact(digest(3), "not yet built"))
    assert driver.submit(1, 1, layers=blobs(3)) == [want(1, 3)]


def test_a_client_that_comes_again_is_asked_again_for_what_it_could_not_give() -> None:
    driver = cluster()
    assert driver.submit(1, 0, layers=blobs(3)) == [want(1, 3)]
    driver.submit(2, 0, layers=blobs(3))
    assert driver.say(1, m.NoArtifact(digest(3), "not yet built")) == [want(2, 3)]
    driver.say(1, m.Cancel(0))  # the last job of this client here, while another's waits
    driver.submit(1, 1, layers=blobs(3))
    assert driver.say(2, m.NoArtifact(digest(3), "nor here")) == [want(1, 3)]


def test_ag10_what_a_manifest_names_is_needed_too_in_either_order() -> None:
    for read_first in (True, False):
        driver = cluster()
        driver.stored(3)
        driver.stored(4)
        driver.submit(2, 0, layers=blobs(5))
        driver.submit(1, 0, layers=manifests(3))
        assert entries(driver, 3, 4, 5, 6) == [want(1, 6)]
        assert entries(driver, 3, 6, 4) == []
        steps = [lambda driver=driver: read(driver, 3), lambda driver=driver: driver.stored(6)]
        first, second = steps if read_first else reversed(steps)
        assert first() == []
        assert second() == []
        assert runs(driver.stored(5)) == [(101, "1.0"), (101, "2.0")]


def test_ag11_of_two_manifests_both_are_read_first() -> None:
    driver = cluster()
    driver.stored(3)
    driver.stored(4)
    driver.submit(1, 0, layers=manifests(3, 4))
    assert read(driver, 3) == []
    assert runs(read(driver, 4)) == [(101, "1.0")]


def test_ag12_a_client_that_is_gone_while_its_manifest_is_read_leaves_nothing() -> None:
    driver = cluster()
    driver.stored(3)
    driver.submit(1, 0, layers=manifests(3))
    entries(driver, 3, 4)
    driver.gone(1)
    assert references(driver) == {}
    assert entries(driver, 3, 5) == []
    assert read(driver, 3) == []
    assert driver.broker.gatherer.readings == {}


def test_ag13_when_a_job_has_ended_each_artifact_is_let_go_once() -> None:
    driver = cluster()
    for number in (3, 4):
        driver.stored(number)
    driver.submit(1, 0, layers=blobs(3, 4, 3))
    driver.submit(1, 1, layers=blobs(4))
    assert references(driver) == {3: 1, 4: 2}
    driver.end(101, "1.0")
    assert references(driver) == {4: 1}


def test_ag14_a_client_that_is_gone_lets_go_of_what_its_jobs_had_and_the_next_one_is_asked() -> None:
    driver = cluster()
    driver.stored(3)
    driver.submit(1, 0, layers=blobs(3))
    driver.submit(1, 1, layers=blobs(3, 4))
    driver.submit(2, 0, layers=blobs(3, 4))
    assert driver.gone(1) == [Send(Peer(101), m.Stop(1)), want(2, 4)]
    assert references(driver) == {3: 1, 4: 1}


def test_ag15_so_many_manifests_are_read_at_once_and_the_others_wait() -> None:
    driver = cluster(readers=1)
    for number in (3, 4, 5):
        driver.stored(number)
    assert driver.submit(1, 0, layers=manifests(3, 4)) == [ReadManifest(digest(3))]
    assert driver.submit(1, 1, layers=manifests(4, 5)) == []
    assert read(driver, 3) == [ReadManifest(digest(4))]
    assert entries(driver, 4, 6) == [want(1, 6)]
    assert read(driver, 4) == [ReadManifest(digest(5))]
    assert references(driver) == {3: 1, 4: 2, 5: 1, 6: 2}
    assert read(driver, 5) == []
    assert runs(driver.stored(6)) == [(101, "1.0"), (101, "1.1")]


def test_a_manifest_for_which_nobody_waits_any_more_is_not_read() -> None:
    driver = cluster(readers=1)
    for number in (3, 4):
        driver.stored(number)
    driver.submit(1, 0, layers=manifests(3))
    driver.submit(2, 0, layers=manifests(4))
    driver.gone(2)
    assert runs(read(driver, 3)) == [(101, "1.0")]


def test_ag16_manifests_that_were_read_are_remembered() -> None:
    driver = cluster()
    for number in (3, 4, 5):
        driver.stored(number)
    driver.submit(1, 0, layers=manifests(3))
    entries(driver, 3, 4, 5)
    read(driver, 3)
    assert runs(driver.submit(1, 1, layers=manifests(3))) == [(101, "1.1")]
    assert references(driver) == {3: 1, 4: 1, 5: 1}


def test_ag17_nothing_is_remembered_where_that_is_switched_off() -> None:
    driver = cluster(remembered=0)
    driver.stored(3)
    for sequence in range(2):
        assert driver.submit(1, sequence, layers=manifests(3)) == [ReadManifest(digest(3))]
        read(driver, 3)
        driver.end(101, f"1.{sequence}")


def test_ag18_what_was_used_longest_ago_is_forgotten_first() -> None:
    driver = cluster(remembered=4)
    for number in (3, 4, 5, 6):
        driver.stored(number)
    for sequence, manifest in enumerate((3, 4)):
        driver.submit(1, sequence, layers=manifests(manifest))
        entries(driver, manifest, 6)
        read(driver, manifest)
        driver.end(101, f"1.{sequence}")
    assert runs(driver.submit(1, 2, layers=manifests(3))) == [(101, "1.2")]
    driver.end(101, "1.2")
    driver.submit(1, 3, layers=manifests(5))
    read(driver, 5)
    assert runs(driver.submit(1, 4, layers=manifests(3))) == [(101, "1.4")]
    assert driver.submit(1, 5, layers=manifests(4)) == [ReadManifest(digest(4))]


def test_ag19_one_reader_serves_all_and_who_comes_later_gets_what_was_read_before() -> None:
    driver = cluster()
    driver.stored(3)
    driver.submit(1, 0, layers=manifests(3))
    assert entries(driver, 3, 4) == [want(1, 4)]
    assert driver.submit(2, 0, layers=manifests(3)) == []
    assert references(driver) == {3: 1, 4: 1}
    assert entries(driver, 3, 5) == [want(1, 5)]
    read(driver, 3)
    driver.stored(4)
    assert runs(driver.stored(5)) == [(101, "1.0"), (101, "2.0")]


def test_ag20_when_a_manifest_cannot_be_read_its_jobs_fail() -> None:
    driver = cluster()
    driver.stored(3)
    driver.submit(1, 0, layers=manifests(3))
    driver.submit(2, 0, layers=manifests(3))
    failed = sent(read(driver, 3, "unexpected end"), m.Failed)
    reason = f"failed to read manifest {digest(3)}: unexpected end"
    assert failed == [(1, m.Failed(0, reason)), (2, m.Failed(0, reason))]
    assert driver.submit(1, 1, layers=manifests(3)) == [ReadManifest(digest(3))]


def test_a_job_with_the_layers_of_others_costs_nothing_however_much_they_name() -> None:
    driver = cluster(remembered=0)
    driver.stored(3)
    driver.submit(1, 0, layers=manifests(3))
    entries(driver, 3, *range(10, 1010))
    read(driver, 3)
    for number in range(10, 1010):
        driver.stored(number)
    assert runs(driver.submit(1, 1, layers=manifests(3))) == [(101, "1.1")]
    assert len(driver.broker.gatherer.gatherings) == 1
    driver.end(101, "1.0")
    assert len(references(driver)) == 1001
    driver.end(101, "1.1")
    assert references(driver) == {}


def test_who_has_refused_a_part_of_a_manifest_is_asked_again_for_a_later_job() -> None:
    driver = cluster()
    driver.stored(3)
    driver.submit(1, 0, layers=manifests(3))
    driver.submit(2, 0, layers=manifests(3))
    entries(driver, 3, 4)
    assert driver.say(1, m.NoArtifact(digest(4), "not yet built")) == [want(2, 4)]
    assert driver.submit(1, 1, layers=manifests(3)) == []
    assert driver.say(2, m.NoArtifact(digest(4), "nor here")) == [want(1, 4)]


def test_who_has_refused_something_for_other_jobs_is_asked_again_for_a_later_one_that_needs_it() -> None:
    driver = cluster()
    driver.stored(3)
    driver.submit(1, 0, layers=blobs(4))
    driver.submit(2, 0, layers=blobs(4))
    driver.submit(2, 1, layers=manifests(3))
    assert driver.say(1, m.NoArtifact(digest(4), "not yet built")) == [want(2, 4)]
    entries(driver, 3, 4)
    assert driver.submit(1, 1, layers=manifests(3)) == []
    assert driver.say(2, m.NoArtifact(digest(4), "nor here")) == [want(1, 4)]


def test_cancelling_while_artifacts_are_on_the_way_asks_nobody_twice() -> None:
    driver = cluster()
    driver.submit(1, 0, layers=blobs(3))
    assert driver.say(1, m.Cancel(0)) == [Send(Peer(1), m.Cancelled(0))]
    assert driver.submit(1, 1, layers=blobs(3)) == []
    assert runs(driver.stored(3)) == [(101, "1.1")]


def test_an_artifact_that_was_dropped_is_asked_for_again() -> None:
    driver = cluster()
    driver.stored(3)
    driver.handle(e.Evicted(digest(3)))
    assert driver.submit(1, 0, layers=blobs(3)) == [want(1, 3)]


def test_what_the_manifests_of_a_job_name_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr("maelstrom_broker.gatherer.ENTRIES", 3)
    driver = cluster()
    driver.stored(3)
    driver.submit(1, 0, layers=manifests(3))
    (failed,) = sent(entries(driver, 3, 4, 5, 6), m.Failed)
    assert failed == (1, m.Failed(0, "its manifests name more than 3 artifacts"))
