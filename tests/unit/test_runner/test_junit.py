"""JUnit reports: names, marks, and text that XML cannot carry."""

from __future__ import annotations

import stat
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import UserError
from maelstrom_pytest.junit_cases import address, cases
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.events import Collected, Ended, Mark, TestCase
from maelstrom_test_runner.reports.junit import JUnitReport, clean, document, write
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import replay
from tests.unit.pytest_runner.builders import phases, report
from tests.unit.test_runner.runs import begun, finished


def render(*test_cases: TestCase) -> ET.Element:
    return ET.fromstring(
        document(test_cases, suite="pytest", time=1.5, timestamp="2024-01-01T00:00:00+00:00", hostname="h")
    )


def test_counts_of_a_report_are_those_of_its_cases():
    failure, error = Mark("failure", "f"), Mark("error", "e")
    suite = render(TestCase("a", "x", 0.1), TestCase("a", "y", 0.1, (failure, error)))[0]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip


@given(st.text(), st.text(), st.text())
def test_any_text_makes_well_formed_xml(name, message, text):
    case = render(TestCase(name, name, 0.0, (Mark("failure", message, text),), ((name, text),)))[0][0]
    assert case.tag == "testcase"


def test_colours_and_characters_without_a_place_in_xml_are_dropped():
    assert clean("\x1b[31mred\x1b[0m\x00\ud800\uffff ok\t") == "red ok\t"


def test_where_on_a_cluster_a_test_ran_is_told_by_properties(tmp_path):
    ran = finished(1, "a", cases=(TestCase("a", "x", 0.1),), worker="w", worker_attempt=2)
    here = finished(1, "b", cases=(TestCase("a", "y", 0.1),))
    replay([begun(), Collected(at=0, tests=2), ran, here, Ended(at=9, code=0)], [JUnitReport(tmp_path / "r.xml")])
    cases = ET.parse(tmp_path / "r.xml").getroot()[0]
    assert [[(each.get("name"), each.get("value")) for each in case.iter("property")] for case in cases] == [
        [("worker", "w"), ("worker_attempt", "2")],
        [],
    ]


def test_a_report_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "report.xml"
    write(path, b"one")
    write(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["report.xml"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600


def test_a_place_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="failed to write the JUnit report"):
        write(tmp_path / "file" / "report.xml", b"")
    target = tmp_path / "directory"
    target.mkdir()
    with pytest.raises(UserError):
        write(target, b"")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["directory", "file"]


@pytest.mark.parametrize(
    ("nodeid", "names"),
    [
        ("tests/unit/test_a.py::test_x", ("tests.unit.test_a", "test_x")),
        ("test_a.py::TestA::TestB::test_x[a::b/c.py]", ("test_a.TestA.TestB", "test_x[a::b/c.py]")),
        ("spec.yaml::case", ("spec.yaml", "case")),
        ("test_a.py", ("", "test_a")),
    ],
)
def test_names_are_those_of_pytests_own_report(nodeid, names):
    assert address(nodeid) == names


def tags(reports, **more):
    return [
        [mark.tag for mark in case.marks] for case in cases("a.py::t", Verdict(Status.PASSED, tuple(reports), **more))
    ]


def test_a_failed_call_with_a_failed_teardown_is_two_cases():
    assert tags(phases("passed", "failed", "failed")) == [["failure"], ["error"]]


def test_a_passed_call_with_a_failed_teardown_is_one_case():
    assert tags(phases("passed", "passed", "failed")) == [["error"]]


def test_a_setup_and_a_teardown_that_fail_are_one_case():
    assert tags([report("setup", "failed"), report("teardown", "failed")]) == [["error", "error"]]


def counted(*reports):
    return [case.counted for case in cases("a.py::t", Verdict(Status.PASSED, tuple(reports)))]


def test_the_head_counts_subtests_and_what_failed():
    setup, call, teardown = phases()
    good, bad = report(subtest=True), report(outcome="failed", subtest=True)
    assert counted(setup, call, teardown) == [1]
    assert counted(setup, good, good, call, teardown) == [3]
    assert counted(setup, good, bad, report(outcome="failed"), teardown) == [3]
    assert counted(setup, good, call, report("teardown", "failed")) == [2]
    assert counted(setup, bad, call, report("teardown", "failed")) == [2, 1]
    assert counted(report("setup", "failed"), report("teardown", "failed")) == [1]
    assert counted(report("setup", "skipped"), teardown) == [1]


def test_skips_and_expected_failures_are_told_apart():
    (skip,) = cases("a.py::t", Verdict(Status.SKIPPED, (report("setup", "skipped", reason="why"),)))
    (xfail,) = cases("a.py::t", Verdict(Status.XFAIL, (report("call", "skipped", wasxfail="bug", reason="bug"),)))
    assert [(case.marks[0].type, case.marks[0].message) for case in (skip, xfail)] == [
        ("pytest.skip", "why"),
        ("pytest.xfail", "bug"),
    ]


def test_a_crash_is_an_error_with_the_reason():
    (case,) = cases("a.py::t", Verdict(Status.ERR, detail="killed by SIGSEGV\nmore"))
    assert case.marks == (Mark("error", "killed by SIGSEGV", "killed by SIGSEGV\nmore"),)
