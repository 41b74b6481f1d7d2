"""Shards: every test is in exactly one, whoever cuts, and they take about the same time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import UserError
from maelstrom_test_runner.shard import Shard, cut, parse_shard, part

names = st.tuples(st.text(max_size=3), st.integers(0, 2))
durations = st.dictionaries(names, st.none() | st.floats(0, 1000), max_size=40)


@given(durations, st.integers(1, 12), st.randoms())
def test_every_test_is_in_exactly_one_shard_in_whatever_order_they_are_told(known, count, random):
    shards = cut(known, count)
    assert len(shards) == count
    assert sorted(key for shard in shards for key in shard) == sorted(known)
    shuffled = list(known.items())
    random.shuffle(shuffled)
    assert [set(shard) for shard in cut(dict(shuffled), count)] == [set(shard) for shard in shards]
    parts = [part(known, Shard(number, count)) for number in range(1, count + 1)]
    assert [each.keys for each in parts] == [set(shard) for shard in shards]
    assert len({each.fingerprint for each in parts}) == 1


@given(st.dictionaries(names, st.floats(0, 1000), min_size=1, max_size=40), st.integers(1, 12))
def test_no_shard_takes_longer_than_an_even_part_and_the_longest_test(known, count):
    longest = max(sum(known[key] for key in shard) for shard in cut(known, count))
    assert longest <= sum(known.values()) / count + max(known.values()) + 1e-6


def test_without_durations_shards_have_the_same_number():
    assert sorted(map(len, cut(dict.fromkeys("abcdefg"), 3))) == [2, 2, 3]


def test_what_is_not_known_is_average():
    assert cut({"long": 9.0, "short": 1.0, "new": None}, 2) == [["long"], ["new", "short"]]


def test_other_durations_have_another_fingerprint():
    one, other = (part({"a": seconds}, Shard(1, 1)).fingerprint for seconds in (1.0, 2.0))
    assert one != other


@pytest.mark.parametrize(("text", "shard"), [("1/1", Shard(1, 1)), (" 2 / 30 ", Shard(2, 30))])
def test_shards_as_text(text, shard):
    assert parse_shard(text) == shard


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/2/3", "a/b", "1/999999", "\u0661/\u0662"])
def test_texts_that_are_no_shard(text):
    with pytest.raises(UserError, match="is no shard"):
        parse_shard(text)
