"""Who waits for archives that other jobs are to write, and when they are told."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_client.awaited import Awaited
from maelstrom_core.spec import StubsLayer, TarLayer

HERE = Path("/here")


def test_an_archive_is_known_by_its_place_however_it_is_written():
    awaited = Awaited(HERE)
    archive = awaited.begin("a/../x.tar")
    assert awaited.among([TarLayer("/here/x.tar"), TarLayer("other.tar"), StubsLayer(("x.tar",))]) == [archive]
    awaited.end(archive, written=True)
    assert awaited.among([TarLayer("x.tar")]) == []
    assert not awaited


def test_who_writes_later_is_not_waited_for():
    awaited = Awaited(HERE)
    first = awaited.begin("x.tar")
    told: list[str | None] = []
    awaited.wait(awaited.among([TarLayer("x.tar")]), told.append)
    awaited.begin("x.tar")
    awaited.end(first, written=True)
    assert told == [None]


def test_the_first_that_is_not_written_is_told_and_no_more():
    awaited = Awaited(HERE)
    one, two = awaited.begin("one"), awaited.begin("two")
    told: list[str | None] = []
    awaited.wait([one, two], told.append)
    awaited.end(two, written=False)
    awaited.end(one, written=False)
    assert told == ["/here/two"]


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.randoms())
def test_everybody_is_told_once(written, random):
    awaited = Awaited(HERE)
    archives = [awaited.begin(str(number)) for number in range(len(written))]
    told: list[str | None] = []
    awaited.wait(archives, told.append)
    order = list(zip(archives, written, strict=True))
    random.shuffle(order)
    for archive, was_written in order:
        awaited.end(archive, written=was_written)
    assert len(told) == 1
    assert (told[0] is None) == all(written)
    assert not awaited
