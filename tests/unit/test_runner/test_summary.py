"""The summary at the end of a run, its counts and its exit code."""

from __future__ import annotations

import pytest

from maelstrom_test_runner.lines import plain
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.summary import Result, Summary, native_counts, summary_lines


def lines(*results, **more):
    return summary_lines(Summary(results, **more), width=40, colour=False)


def test_ap1_nothing_run_is_a_summary_of_zeros():
    assert lines() == ["", "============= Test Summary =============", "Successful Tests: 0", "Failed Tests    : 0"]


def test_py2_py5_failures_and_ignored_tests_are_named():
    text = lines(
        Result("t::ok", Status.PASSED),
        Result("t::bad", Status.FAILED),
        Result("t::setup", Status.ERROR),
        Result("t::slow", Status.TIMEOUT),
        Result("t::crash", Status.ERR, "killed"),
        Result("t::skip", Status.SKIPPED, "no reason"),
        Result("t::xfail", Status.XFAIL),
        not_run=2,
        running=("t::now",),
        counts={"passed": 1},
    )
    assert text[2:] == [
        "Successful Tests: 2",
        "of them XFAIL   : 1",
        "Failed Tests    : 4",
        "    t::bad: failure",
        "    t::setup: error",
        "    t::slow: timeout",
        "    t::crash: did not end",
        "Ignored Tests   : 1",
        "    t::skip: ignored (no reason)",
        "Tests Not Run   : 2",
        "    t::now: was running",
        "as pytest counts: 1 passed",
    ]


def test_flaky_tests_are_successful_and_named():
    text = lines(Result("t::ok", Status.PASSED), Result("t::now and then", Status.FLAKY))
    assert text[2:] == [
        "Successful Tests: 2",
        "of them FLAKY   : 1",
        "    t::now and then: flaky",
        "Failed Tests    : 0",
    ]
    assert Summary((Result("t", Status.FLAKY),)).exit_code == 0


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ((), 0),
        ((Result("a", Status.PASSED), Result("b", Status.SKIPPED), Result("c", Status.XPASS)), 0),
        ((Result("a", Status.FAILED), Result("b", Status.PASSED)), 1),
        ((Result("b", Status.PASSED), Result("a", Status.FAILED)), 1),
        ((Result("a", Status.TIMEOUT),), 1),
        ((Result("a", Status.ERR),), 1),
        ((Result("a", Status.FAILED), Result("b", Status.ERR, infrastructure=True)), 3),
    ],
)
def test_ap8_ap10_ap16_exit_codes(results, code):
    assert Summary(results).exit_code == code


def test_counts_are_in_pytests_order_and_words():
    counts = {"error": 2, "passed": 3, "rerun": 1, "warnings": 1, "failed": 1, "skipped": 0}
    assert native_counts(counts) == "1 failed, 3 passed, 1 warning, 2 errors, 1 rerun"


def test_colour_adds_nothing_but_colour():
    summary = Summary((Result("a", Status.FAILED), Result("b", Status.XFAIL)), not_run=1)
    coloured = "\n".join(summary_lines(summary, width=40, colour=True))
    assert plain(coloured) == "\n".join(summary_lines(summary, width=40, colour=False))
    assert coloured != plain(coloured)
