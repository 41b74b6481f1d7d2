"""The demonstration succeeds only if it shows what it is for."""

import pytest

from ci.demo import CARGO, GO, PYTEST, judge


def test_failures_under_plain_pytest_and_none_under_maelstrom_are_what_it_shows():
    assert judge(PYTEST, native=1, ours=0) is None
    assert judge(CARGO, native=101, ours=0) is None
    assert judge(GO, native=1, ours=0) is None


@pytest.mark.parametrize(
    ("native", "ours", "complaint"),
    [
        (0, 0, "plain pytest passed"),
        (2, 0, "plain pytest ended with exit code 2"),
        (-11, 0, "plain pytest ended with exit code -11"),
        (1, 1, "maelstrom-pytest ended with exit code 1"),
        (1, 3, "maelstrom-pytest ended with exit code 3"),
    ],
)
def test_anything_else_is_a_failure_that_says_why(native, ours, complaint):
    assert judge(PYTEST, native, ours).startswith(complaint)
