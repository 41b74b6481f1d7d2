"""What counts as a leak: more of something, of whatever kind."""

import pytest

from tests.support.census import growth

BEFORE = {"processes": 3, "descriptors": {"pipe": 2}, "mounts": [1, 2], "temporary files": ["a"]}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("processes", 4, "processes"),
        ("descriptors", {"pipe": 3}, "descriptors: pipe"),
        ("descriptors", {"pipe": 2, "memfd": 1}, "descriptors: memfd"),
        ("mounts", [1, 3], "mounts"),
        ("mounts", [1, 2, 1], "mounts"),
        ("temporary files", ["a", "b"], "temporary files"),
    ],
)
def test_more_of_anything_is_a_leak(name, value, found):
    assert list(growth(BEFORE, BEFORE | {name: value})) == [found]


def test_less_is_none():
    less = {"processes": 2, "descriptors": {}, "mounts": [2], "temporary files": []}
    assert growth(BEFORE, less) == growth(BEFORE, BEFORE) == {}
