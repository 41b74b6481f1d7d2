"""The summary at the end of a run, its counts and its exit code."""

from __future__ import annotations

import pytest

from maelstrom_test_runner.lines import plain
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.summary import Result, Summary, native_counts, summary_lines, warning_lines


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


def test_warnings_are_named_once_with_their_places():
    found = warning_lines(
        [("a.py::t", "one\n  more\n"), ("b.py::t", "two"), ("c.py:3", "one\n  more\n")], width=40, colour=False
    )
    assert found[0] == ""
    assert "warnings summary" in found[1]
    assert found[2:] == ["a.py::t", "c.py:3", "  one", "    more", "", "b.py::t", "  two"]
    assert warning_lines([], width=40, colour=True) == []


def test_from_many_places_files_are_counted():
    found = warning_lines(
        [(f"a.py::t{number}", "w") for number in range(10)] + [("b.py::t", "w")], width=40, colour=False
    )
    assert found[2:] == ["a.py: 10 warnings", "b.py: 1 warning", "  w"]


def test_letters_list_more():
    results = (Result("a", Status.XFAIL, "bug"), Result("b", Status.XPASS), Result("c", Status.PASSED))
    everything = summary_lines(Summary(results, listed="xXp"), width=80, colour=False)
    assert [line.strip() for line in everything if line.startswith("    ")] == ["a: XFAIL (bug)", "b: XPASS", "c: OK"]
    nothing = summary_lines(Summary(results), width=80, colour=False)
    assert not any(line.startswith("    ") for line in nothing)
