"""Two runs agree in what they count, in their JUnit reports and in their coverage, or it is said where they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.comparison import counts, coverage, junit
from ci.comparison.agreement import Agreement, Said, agree
from ci.comparison.outcomes import Difference, compare
from ci.comparison.suites import Suite, measured
from maelstrom_pytest.junit_cases import address
from maelstrom_test_runner.events import Mark, TestCase
from maelstrom_test_runner.reports.junit import document
from maelstrom_test_runner.summary import native_counts

TABLE = """\
================ tests coverage ================
Name                 Stmts   Miss  Cover
----------------------------------------
src/a package/x.py      10      2    80%
src/y.py                 0      0   100%
----------------------------------------
TOTAL                   10      2    80%
"""


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ("297 passed in 1.02s", {"passed": 297}),
        ("===== 1 failed, 2 passed, 1 error in 61.00s (0:01:01) =====", {"failed": 1, "passed": 2, "errors": 1}),
        ("1 passed, 2 warnings in 0.01s", {"passed": 1}),
        ("as pytest counts: 1 failed, 3 deselected, 2 errors", {"failed": 1, "deselected": 3, "errors": 2}),
        ("1 passed, 2 subtests passed in 0.01s", {"passed": 1, "subtests passed": 2}),
    ],
)
def test_the_last_line_is_read(line, counted):
    assert counts.last_counts(f"FAILED a.py::b - 1 passed in 1s\n{line}\n") == counted


def test_there_may_be_no_last_line():
    assert counts.last_counts("nothing\n") is None
    assert counts.differing(None, {}) == ["the last line of plain pytest cannot be read"]


@given(st.dictionaries(st.sampled_from(["passed", "failed", "error", "skipped", "xfailed"]), st.integers(1, 10**6)))
def test_our_own_last_line_is_read_as_it_was_meant(counted):
    found = counts.last_counts(f"as pytest counts: {native_counts(counted)}") if counted else {}
    assert found == {counts.SINGULAR.get(word, word): number for word, number in counted.items()}


def test_words_that_are_counted_otherwise_are_named():
    assert counts.differing({"passed": 2}, {"passed": 1, "failed": 1}) == [
        "counts: failed: native 0, maelstrom 1",
        "counts: passed: native 2, maelstrom 1",
    ]


def test_a_leak_is_expected_to_be_counted_as_it_is_alone():
    leak = Difference(("a", 0), "passed", "error", alone="error")
    assert counts.expected({"passed": 1}, [leak]) == {"errors": 1}


def report(*cases):
    return junit.read(document(cases, suite="pytest", time=0.1, timestamp="2026-01-01T00:00:00", hostname="h"))


def test_reports_that_differ_in_times_and_addresses_agree():
    one = TestCase("a", "b", 0.1, (Mark("failure", "<X at 0x7f0011223344> in /tmp/pytest-of-me/pytest-1/b0", "text"),))
    two = TestCase(
        "a", "b", 0.7, (Mark("failure", "<X at 0x7f0099999999> in /tmp/pytest-of-me/pytest-20/b0", "other"),)
    )
    assert junit.differing(report(one), report(two)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (TestCase("a", "c", 0.1), "junit: a::c: native missing, maelstrom passed"),
        (TestCase("a", "b", 0.1, (Mark("failure", "m"),)), "junit: a::b: native passed, maelstrom 'failure' '' 'm'"),
        (TestCase("a", "b", 0.1, (), (("k", "v"),)), "junit: a::b: native passed, maelstrom 'property' 'k' 'v'"),
    ],
)
def test_a_test_case_that_differs_is_named(changed, said):
    assert said in junit.differing(report(TestCase("a", "b", 0.1)), report(changed))


def test_totals_are_compared_unless_tests_are_aside():
    failed = report(TestCase("a", "b", 0.1, (Mark("failure", "m"),)))
    passed = report(TestCase("a", "b", 0.1))
    assert junit.differing(passed, failed)[0] == "junit: failures: native 0, maelstrom 1"
    assert junit.differing(passed, failed, {("a", "b")}) == []


@given(st.text("ab/.:[]", min_size=1))
def test_tests_are_found_where_our_report_has_them(nodeid):
    assert junit.address(nodeid) == address(nodeid)


def test_what_is_no_report_is_refused():
    with pytest.raises(ValueError, match="no XML"):
        junit.read(b"")


def test_the_table_of_pytest_cov_is_read_file_by_file():
    assert coverage.read(TABLE) == {
        "src/a package/x.py": ("10", "2", "80%"),
        "src/y.py": ("0", "0", "100%"),
        "TOTAL": ("10", "2", "80%"),
    }
    assert coverage.read("no table") is None


def test_files_that_are_covered_otherwise_are_named():
    other = TABLE.replace("2    80%", "3    70%")
    assert coverage.differing(coverage.read(TABLE), coverage.read(other)) == [
        "coverage: TOTAL: native 80% (10 2), maelstrom 70% (10 3)",
        "coverage: src/a package/x.py: native 80% (10 2), maelstrom 70% (10 3)",
    ]
    assert coverage.differing(None, {}) == ["coverage: plain pytest printed none"]


def said(line, *cases):
    return Said(line, document(cases, suite="pytest", time=0.1, timestamp="2026-01-01T00:00:00", hostname="h"))


def test_runs_agree_in_each_respect():
    native, ours = said(f"{TABLE}1 passed in 1s"), said(f"{TABLE}as pytest counts: 1 passed")
    comparison = compare([{("a.py::b", 0): "passed"}], {("a.py::b", 0): "passed"})
    assert agree(native, ours, comparison, covered=True) == Agreement((), (), ())
    assert agree(native, ours, comparison, covered=False).cells == ("same", "same", "")
    assert agree(native, said("1 failed in 1s"), comparison, covered=True).cells == ("2", "same", "1")


def test_a_suite_is_measured_with_its_own_arguments():
    suite = measured(Suite("/d", "python", ("tests",), {"A": "1"}), ["a", "b"], "/tmp/x.coverage")
    assert suite.arguments == ("tests", "--cov=a", "--cov=b", "--cov-report=term", "--cov-context=test")
    assert suite.environment == {"A": "1", "COVERAGE_FILE": "/tmp/x.coverage"}
