"""What is known of the listing of a binary, and when it is good for nothing."""

import os
import time

import msgspec
import pytest

from cargo_maelstrom.listings import Listing, Listings
from maelstrom_core.spec import ContainerSpec

CONTAINER = ContainerSpec(user=1)
LISTING = Listing(("a", "b"), {"b": "too slow"})


@pytest.fixture
def binary(tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    deadline = time.time_ns() + 60_000_000  # until the time of its change can be trusted
    while time.time_ns() < deadline:
        pass
    return path


def test_a_listing_is_known_as_long_as_the_file_is_the_same(tmp_path, binary):
    listings = Listings(tmp_path / "listings")
    assert listings.load(str(binary), CONTAINER) is None
    listings.save(str(binary), LISTING)
    known = Listings(tmp_path / "listings")
    assert known.load(str(binary), CONTAINER) == LISTING
    binary.write_bytes(b"two")
    os.utime(binary, (1, 1))
    assert known.load(str(binary), CONTAINER) is None


def test_another_container_asks_again(tmp_path, binary):
    listings = Listings(tmp_path / "listings")
    listings.load(str(binary), CONTAINER)
    listings.save(str(binary), LISTING)
    assert listings.load(str(binary), msgspec.structs.replace(CONTAINER, user=2)) is None


def test_what_changed_a_moment_ago_or_is_not_there_is_not_remembered(tmp_path, binary):
    listings = Listings(tmp_path / "listings")
    os.utime(binary, (4_000_000_000, 4_000_000_000))
    for path in (str(binary), str(tmp_path / "none")):
        assert listings.load(path, CONTAINER) is None
        listings.save(path, LISTING)
    assert not (tmp_path / "listings").exists()
