"""What is kept for later is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.bounded import Bounded


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.integers())))
def test_the_last_so_many_are_there_and_true(size, items):
    kept = Bounded(size)
    for key, value in items:
        kept[key] = value
        assert kept[key] == value
        assert len(kept) <= size
    assert kept.items() <= dict(items).items()
    assert len(kept) == min(size, len({key for key, _ in items}))
