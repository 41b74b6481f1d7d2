"""What is said of limits."""

from __future__ import annotations

import pytest

from maelstrom_core.job import Cancelled, Effects, Exited, Limited, Signaled, TimedOut
from maelstrom_core.limit_words import describe_limits, exact_size, limited, out_of_memory
from maelstrom_core.spec import Limits

LIMITS = Limits(memory=200 << 20, processes=5)


def effects(**told) -> Effects:
    return Effects(limited=Limited(LIMITS, **told))


def test_who_was_out_of_memory_is_told_how_much_there_was():
    outcome = Signaled(9, effects(out_of_memory=True))
    assert out_of_memory(outcome) == "it used more than its 200 MiB of memory"


@pytest.mark.parametrize(
    "outcome", [Signaled(9, effects()), Signaled(9, Effects()), Exited(0, effects()), TimedOut(effects()), Cancelled()]
)
def test_who_was_not_is_not(outcome):
    assert out_of_memory(outcome) is None


def test_jobs_that_never_ran_have_no_limits_to_speak_of():
    assert limited(Cancelled()) is None


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (0, []),
        (1, ["it wanted more than its 5 processes, and was refused them once"]),
        (7, ["it wanted more than its 5 processes, and was refused them 7 times"]),
    ],
)
def test_processes_that_were_refused_are_told_of(refused, said):
    assert describe_limits(effects(refused_processes=refused)) == said


@pytest.mark.parametrize(
    ("size", "text"),
    [(1 << 30, "1 GiB"), (1536 << 20, "1536 MiB"), (100_000_000, "100000000 B"), (1024 * 97657, "97657 KiB")],
)
def test_sizes_are_exact(size, text):
    assert exact_size(size) == text
