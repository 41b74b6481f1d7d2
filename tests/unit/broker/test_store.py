"""The broker's store: what makes room and what does not, what survives, and who may use it."""

import os

import pytest
from blake3 import blake3

from maelstrom_broker.store import FullError, Store, why
from maelstrom_core.errors import ConfigError, InfrastructureError


def put(store, data, in_use=()):
    """Store something; return its digest, and what was evicted for it."""
    digest = blake3(data).hexdigest()
    incoming, evicted = store.expect(digest, len(data), lambda each: each in in_use)
    incoming.write(data)
    incoming.check()
    store.arrived(incoming)
    return digest, evicted


def test_what_was_used_longest_ago_makes_room_unless_a_job_needs_it(tmp_path):
    store = Store(tmp_path, 30)
    one, two, three = (put(store, bytes([number]) * 10)[0] for number in range(3))
    with store.open(one) as file:
        assert file.read() == bytes([0]) * 10
    four, evicted = put(store, b"x" * 10, {two})
    assert evicted == [three]
    assert sorted(store.digests()) == sorted([one, two, four])
    with pytest.raises(FullError, match=r"jobs hold 30 of its 30 bytes"):
        store.expect("0" * 64, 1, lambda _digest: True)
    assert store.used == 30
    assert len(os.listdir(tmp_path / "tmp")) == 1
    store.delete()
    assert os.listdir(tmp_path / "tmp") == []
    store.close()


def test_what_does_not_fit_evicts_nothing(tmp_path):
    store = Store(tmp_path, 30)
    one, two = (put(store, bytes([number]) * 10)[0] for number in range(2))
    with pytest.raises(FullError, match=r"jobs hold 10 of its 30 bytes"):
        store.expect("0" * 64, 25, {one}.__contains__)
    assert sorted(store.digests()) == sorted([one, two])
    assert store.evict(1, {one}.__contains__) == [two]
    store.close()


def test_what_is_coming_takes_room_until_it_is_there_or_lost(tmp_path):
    store = Store(tmp_path, 30)
    incoming, _ = store.expect("0" * 64, 20, lambda _digest: False)
    with pytest.raises(FullError):
        store.expect("1" * 64, 20, lambda _digest: False)
    store.lost(incoming)
    assert store.used == 0
    with pytest.raises(InfrastructureError):
        incoming.write(b"x")
    assert os.listdir(tmp_path / "tmp") == []
    store.close()


def test_order_and_contents_survive_and_remains_do_not(tmp_path):
    store = Store(tmp_path, 100)
    one, two = (put(store, data)[0] for data in (b"one", b"two"))
    os.utime(tmp_path / "artifacts" / two, (1, 1))
    store.expect("0" * 64, 20, lambda _digest: False)
    store.close()
    (tmp_path / "artifacts" / "something else").write_text("")
    again = Store(tmp_path, 100)
    assert list(again.digests()) == [two, one]
    assert again.used == 6
    assert sorted(os.listdir(tmp_path / "artifacts")) == sorted([one, two])
    assert os.listdir(tmp_path / "tmp") == []
    again.close()


def test_after_the_machine_was_started_anew_contents_are_checked(tmp_path):
    store = Store(tmp_path, 100)
    one, two = (put(store, data)[0] for data in (b"one", b"two"))
    store.close()
    (tmp_path / "artifacts" / one).write_bytes(b"\0\0\0")
    (tmp_path / "boot").write_text("another\n")
    again = Store(tmp_path, 100)
    assert list(again.digests()) == [two]
    again.close()


def test_a_directory_is_one_brokers(tmp_path):
    store = Store(tmp_path, 100)
    with pytest.raises(ConfigError, match="in use by another broker"):
        Store(tmp_path, 100)
    store.close()


def test_a_directory_that_is_none_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="failed to use"):
        Store(tmp_path / "file", 100)


def test_a_disk_that_is_full_is_named():
    assert why(OSError(28, "No space left on device")) == "the disk of the broker's store is full"


def test_what_somebody_deleted_is_not_there(tmp_path):
    store = Store(tmp_path, 100)
    one, _ = put(store, b"one")
    (tmp_path / "artifacts" / one).unlink()
    assert store.open(one) is None
    assert one not in store
    store.close()


def test_what_is_dropped_or_was_not_used_for_long_is_gone(tmp_path):
    store = Store(tmp_path, 100)
    one, two, three = (put(store, data)[0] for data in (b"one", b"two", b"three"))
    os.utime(tmp_path / "artifacts" / one, (1, 1))
    (tmp_path / "artifacts" / two).unlink()
    store.expire(3600)
    assert list(store.digests()) == [three]
    with store.open(three) as file:
        store.drop(three)
        store.drop(three)
        assert file.read() == b"three"
    assert (store.used, os.listdir(tmp_path / "artifacts"), os.listdir(tmp_path / "tmp")) == (0, [], [])
    store.close()
