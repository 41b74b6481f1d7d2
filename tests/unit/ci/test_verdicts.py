"""Verdicts are compared test by test: same ids twice, flaky tests, samples, command lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.comparison.outcomes import MISSING, Difference, choose, compare, parse_report, restrict, table_row
from ci.comparison.recorder import RANKING, worst
from ci.comparison.suites import Suite, parse_command, without_selection

OUTCOMES = st.dictionaries(
    st.tuples(st.sampled_from(["a.py::x", "a.py::y", "b.py::x[1]"]), st.integers(0, 2)), st.sampled_from(RANKING)
)


def line(nodeid, outcome, **more):
    return json.dumps({"nodeid": nodeid, "outcome": outcome, **more})


def test_the_worst_phase_is_the_outcome():
    assert worst(["", "passed", "error"]) == "error"
    assert worst(["", "xfailed", ""]) == "xfailed"
    assert worst(["rerun", "passed", ""]) == "passed"
    assert worst(["", ""]) == "unknown"


def test_the_same_node_id_twice_is_two_tests():
    report = parse_report([line("t", "passed", index=0), line("t", "failed", index=1)])
    assert report == {("t", 0): "passed", ("t", 1): "failed"}


def test_occurrences_are_matched_by_their_order_whatever_the_index_counts():
    assert parse_report([line("t", "failed", index=70), line("t", "passed", index=12)]) == {
        ("t", 0): "passed",
        ("t", 1): "failed",
    }
    assert parse_report([line("t", "passed"), line("t", "failed")]) == {("t", 0): "passed", ("t", 1): "failed"}


def test_lines_about_something_else_are_passed_over():
    assert parse_report([json.dumps({"event": "started"}), "[]", line("t", "passed")]) == {("t", 0): "passed"}


def test_a_line_that_is_not_json_is_refused():
    with pytest.raises(ValueError, match="Expecting"):
        parse_report(["passed"])


def test_different_and_missing_outcomes_are_differences():
    comparison = compare(
        [{("a", 0): "passed", ("b", 0): "passed", ("c", 0): "failed"}],
        {("a", 0): "passed", ("b", 0): "failed", ("d", 0): "passed"},
    )
    assert comparison.same == 1
    assert comparison.differences == (
        Difference(("b", 0), "passed", "failed"),
        Difference(("c", 0), "failed", MISSING),
        Difference(("d", 0), MISSING, "passed"),
    )


def test_a_test_that_is_flaky_natively_is_no_difference():
    comparison = compare([{("a", 0): "passed"}, {("a", 0): "failed"}], {("a", 0): "error"})
    assert comparison.flaky == (("a", 0),)
    assert comparison.differences == ()


@given(natives=st.lists(OUTCOMES, min_size=1, max_size=3), ours=OUTCOMES)
def test_every_test_is_counted_once(natives, ours):
    comparison = compare(natives, ours)
    assert comparison.tests == len(ours.keys() | {test for native in natives for test in native})


@given(outcomes=OUTCOMES)
def test_a_run_differs_in_nothing_from_itself(outcomes):
    assert compare([outcomes, outcomes], outcomes).same == len(outcomes)


def test_a_sample_is_the_same_for_the_same_seed_and_never_too_large():
    native = {(f"t{number}", 0): "passed" for number in range(100)}
    assert choose(native, 5, seed=1) == choose(dict(reversed(native.items())), 5, seed=1)
    assert choose(native, 5, seed=1) != choose(native, 5, seed=2)
    assert len(choose(native, 1000, seed=0)) == 100


def test_a_sample_takes_all_occurrences_of_a_node_id():
    outcomes = {("a", 0): "passed", ("a", 1): "failed", ("b", 0): "passed"}
    assert restrict(outcomes, ["a"]) == {("a", 0): "passed", ("a", 1): "failed"}


def test_a_difference_names_the_occurrence_where_there_are_several():
    assert str(Difference(("a::b", 0), "passed", "failed")) == "a::b: native passed, maelstrom failed"
    assert str(Difference(("a::b", 1), "passed", "failed")).startswith("a::b (occurrence 2): ")


def test_the_row_has_a_cell_for_each_heading():
    row = table_row("suite", compare([{("a", 0): "passed"}], {("a", 0): "failed"}), ("same", "3", ""), 1.25, 2.0)
    assert row == "| suite | 1 | 0 | 1 | 0 | 0 | same | 3 |  | 1.2 | 2.0 |"


def test_a_command_line_gives_directory_environment_interpreter_and_arguments():
    command = "cd $ROOT/src && env -i HOME=\"$HOME\" PATH=/venv/bin:/bin python -m pytest -q 'a b' tests"
    suite = parse_command(command, "/here", {"ROOT": "/suites", "HOME": "/home/me", "OTHER": "1"})
    assert suite == Suite(
        "/suites/src", "python", ("-q", "a b", "tests"), {"HOME": "/home/me", "PATH": "/venv/bin:/bin"}
    )


def test_a_command_line_without_env_keeps_the_environment():
    suite = parse_command("LANG=C python3 -m pytest", "/here", {"A": "1"})
    assert suite == Suite("/here", "python3", (), {"A": "1", "LANG": "C"})


def test_a_home_directory_is_found_as_a_shell_finds_it():
    suite = parse_command("cd ~/src && ~/venv/bin/python -m pytest", "/here", {"HOME": "/home/me"})
    assert (suite.directory, suite.python) == ("/home/me/src", "/home/me/venv/bin/python")


@pytest.mark.parametrize(
    "command", ["", "pytest tests", "make test", "python -m pytest && rm x", "cd a; python -m pytest"]
)
def test_a_command_line_that_would_need_a_shell_is_refused(command):
    with pytest.raises(ValueError, match="not a command line of the form"):
        parse_command(command, "/here", {})


def test_a_suite_in_a_source_directory_is_named_for_the_one_above():
    assert Suite("/suites/attrs/src", "python", (), {}).name == "attrs"
    assert Suite("/suites/attrs/", "python", (), {}).name == "attrs"


def test_what_selects_is_told_from_what_configures():
    given_arguments = [
        "-q",
        "-p",
        "no:cacheprovider",
        "tests",
        "--deselect",
        "tests/a.py::b",
        "-k",
        "x",
        "other",
        "--tb=no",
    ]
    assert without_selection(given_arguments) == [
        "-q", "-p", "no:cacheprovider", "--deselect", "tests/a.py::b", "-k", "x", "--tb=no",
    ]  # fmt: skip


def test_a_difference_that_plain_pytest_shows_too_when_the_test_runs_alone_is_a_leak():
    difference = Difference(("a::b", 0), "passed", "failed", alone="failed")
    assert difference.leak
    assert str(difference) == "a::b: native passed, maelstrom failed, native alone failed"
    assert not Difference(("a::b", 0), "passed", "failed", alone="passed").leak
    assert not Difference(("a::b", 0), "passed", "failed").leak
