"""How often somebody may ask."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.rate import Rate


def test_so_many_at_once_then_one_after_the_other_then_none() -> None:
    rate = Rate(per_second=2, at_once=3, longest=1)
    assert [rate.book("a", 100.0) for _ in range(6)] == [0, 0, 0, 0.5, 1, None]
    assert rate.book("b", 100.0) == 0
    assert rate.book("a", 101.0) == 0.5
    assert [rate.book("a", 200.0) for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.lists(st.floats(0, 3), min_size=1), st.integers(1, 50), st.integers(1, 20))
def test_in_no_time_is_more_done_than_allowed(pauses: list[float], per_second: int, at_once: int) -> None:
    rate, now, done = Rate(per_second, at_once, longest=2), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait = rate.book("a", now)
        if wait is not None:
            assert wait <= 2
            done.append(now + wait)
    for first, begin in enumerate(done):
        for last in range(first, len(done)):
            assert last - first + 1 <= at_once + (done[last] - begin) * per_second + 1e-6
