"""Digests of local files are remembered for as long as the file stays the same (LB22)."""

import os
import sqlite3

import pytest
from blake3 import blake3

from maelstrom_container.digest_cache import DigestCache
from maelstrom_container.file_batches import Signature, signature
from maelstrom_core.errors import SpecError

KNOWN = Signature(size=1, mtime=2, ctime=3, device=4, inode=2**64 - 1)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "cache" / "digests.sqlite3"


def test_lb22_remembered_digest_is_found_again(database):
    with DigestCache(database) as cache:
        cache.remember(b"/x", KNOWN, "d" * 64)
        assert cache.lookup(b"/x", KNOWN) == "d" * 64


def test_lb22_digests_persist(database):
    with DigestCache(database) as cache:
        cache.remember(b"/\xff", KNOWN, "d" * 64)
    with DigestCache(database) as cache:
        assert cache.lookup(b"/\xff", KNOWN) == "d" * 64


@pytest.mark.parametrize("field", ["size", "mtime", "ctime", "device", "inode"])
def test_lb22_changed_file_is_not_found(database, field):
    changed = Signature(**{each: getattr(KNOWN, each) for each in KNOWN.__struct_fields__} | {field: 99})
    with DigestCache(database) as cache:
        cache.remember(b"/x", KNOWN, "d" * 64)
        assert cache.lookup(b"/x", changed) is None
    with DigestCache(database) as cache:
        assert cache.lookup(b"/x", changed) is None


def test_lb22_two_users_share_a_database(database):
    with DigestCache(database) as first, DigestCache(database) as second:
        first.remember(b"/x", KNOWN, "d" * 64)
        second.remember(b"/y", KNOWN, "e" * 64)
    with DigestCache(database) as cache:
        assert (cache.lookup(b"/x", KNOWN), cache.lookup(b"/y", KNOWN)) == ("d" * 64, "e" * 64)


def test_digest_is_that_of_the_contents(tmp_path):
    (tmp_path / "file").write_bytes(b"contents" * 300_000)
    with DigestCache(None) as cache:
        digest, status = cache.digest_of(str(tmp_path / "file"))
    assert digest == blake3(b"contents" * 300_000).hexdigest()
    assert status.st_size == 2_400_000


def test_file_that_was_changed_a_moment_ago_is_not_remembered(tmp_path):
    file = tmp_path / "file"
    with DigestCache(None) as cache:
        file.write_bytes(b"x")
        future = file.stat().st_mtime_ns + 10**12
        os.utime(file, ns=(future, future))
        cache.digest_of(str(file))
        assert cache.lookup(os.fsencode(file), signature(file.stat())) is None


def test_damaged_database_is_replaced(database):
    database.parent.mkdir()
    database.write_bytes(b"this is no database" * 100)
    with DigestCache(database) as cache:
        cache.remember(b"/x", KNOWN, "d" * 64)
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT count(*) FROM digests_1").fetchone() == (1,)
    connection.close()


def test_unusable_database_is_done_without(tmp_path):
    (tmp_path / "file").write_text("x")
    with DigestCache(tmp_path / "file" / "database") as cache:
        assert cache.digest_of(str(tmp_path / "file"))[0] == blake3(b"x").hexdigest()


@pytest.mark.parametrize("name", ["missing", "directory", "pipe"])
def test_what_is_no_file_is_the_users_error(tmp_path, name):
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with DigestCache(None) as cache, pytest.raises(SpecError, match=name):
        cache.digest_of(str(tmp_path / name))
