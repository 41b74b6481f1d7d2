"""The demonstration succeeds only if it shows what it is for."""

import pytest

from ci.demo import GO, judge


def test_failures_under_plain_pytest_and_none_under_maelstrom_are_what_it_shows():
    assert judge(plain=1, maelstrom=0) is None


@pytest.mark.parametrize(
    ("plain", "maelstrom", "complaint"),
    [
        (0, 0, "plain pytest passed"),
        (2, 0, "plain pytest ended with exit code 2"),
        (-11, 0, "plain pytest ended with exit code -11"),
        (1, 1, "maelstrom-pytest ended with exit code 1"),
        (1, 3, "maelstrom-pytest ended with exit code 3"),
    ],
)
def test_anything_else_is_a_failure_that_says_why(plain, maelstrom, complaint):
    assert judge(plain, maelstrom).startswith(complaint)


def test_a_demonstration_of_go_names_its_programs():
    assert judge(1, 3, GO) == "maelstrom-go-test ended with exit code 3"
    assert judge(0, 0, GO).startswith("plain go test passed")
