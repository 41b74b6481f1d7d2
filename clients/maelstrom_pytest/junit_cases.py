"""A test's verdict as test cases of a JUnit report, named and split as pytest's own report has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from maelstrom_pytest.records import Report
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.events import Mark, TestCase
from maelstrom_test_runner.status import Status


def address(nodeid: str) -> tuple[str, str]:
    """Return class name and name: the path becomes dotted, parameters stay with the name whatever they hold."""
    path, bracket, parameters = nodeid.partition("[")
    names = path.split("::")
    names[0] = names[0].replace("/", ".").removesuffix(".py")
    return ".".join(names[:-1]), names[-1] + bracket + parameters


def cases(nodeid: str, verdict: Verdict) -> list[TestCase]:
    """Return one test case, or two where both the call and the teardown failed; earlier attempts are marks of it.

    So does pytest 9.2; older ones count some tests whose teardown failed otherwise.
    """
    found = _of_attempt(nodeid, verdict)
    word = "flaky" if verdict.status is Status.FLAKY else "rerun"
    marks = tuple(_attempt(word, nodeid, attempt) for attempt in verdict.attempts)
    return [msgspec.structs.replace(found[0], marks=(*found[0].marks, *marks)), *found[1:]]


def _attempt(word: str, nodeid: str, verdict: Verdict) -> Mark:
    """Return what Surefire's reports say of an attempt that failed."""
    tag = f"{word}Failure" if verdict.status is Status.FAILED else f"{word}Error"
    failed = next((mark for case in _of_attempt(nodeid, verdict) for mark in case.marks), Mark("error", ""))
    return Mark(tag, failed.message, failed.text, verdict.status.value)


def _of_attempt(nodeid: str, verdict: Verdict) -> list[TestCase]:
    classname, name = address(nodeid)
    reports = verdict.reports
    time = sum(report.duration for report in reports)
    properties = tuple(dict.fromkeys((key, str(value)) for report in reports for key, value in report.user_properties))
    if verdict.detail:
        mark = Mark("error", verdict.detail.strip().splitlines()[0], verdict.detail)
        return [TestCase(classname, name, verdict.elapsed or time, (mark,), properties)]
    if not any(report.outcome == "failed" and report.when == "teardown" for report in reports):
        return [TestCase(classname, name, time, _marks(reports), properties, _counted(reports))]
    if not any(report.outcome == "failed" and report.when == "call" for report in reports):
        return [TestCase(classname, name, time, _marks(reports), properties, _counted(reports) - 1)]
    teardown = [report for report in reports if report.when == "teardown"]
    before = [report for report in reports if report.when != "teardown"]
    late = sum(report.duration for report in teardown)
    return [
        TestCase(classname, name, time - late, _marks(before), properties, _counted(before)),
        TestCase(classname, name, late, _marks(teardown)),
    ]


def _counted(reports: Iterable[Report]) -> int:
    """Return what the head of pytest's own report counts: each subtest, and whatever is not plain success."""
    return sum(report.when == "call" if report.outcome == "passed" else _mark(report) is not None for report in reports)


def skipped_module(nodeid: str, reason: str) -> TestCase:
    """Return the test case of a module that asked to be skipped as a whole."""
    classname, name = address(nodeid)
    return TestCase(classname, name, 0.0, (Mark("skipped", "collection skipped", reason),))


def not_collected(nodeid: str, text: str) -> TestCase:
    """Return the test case of something that could not be collected."""
    classname, name = address(nodeid)
    return TestCase(classname, name, 0.0, (Mark("error", "collection failure", text),))


def _marks(reports: Iterable[Report]) -> tuple[Mark, ...]:
    return tuple(mark for report in reports if (mark := _mark(report)) is not None)


def _mark(report: Report) -> Mark | None:
    if report.outcome == "failed":
        return Mark("failure" if report.when == "call" else "error", report.message, report.text)
    if report.outcome == "skipped":
        kind = "pytest.skip" if report.wasxfail is None else "pytest.xfail"
        return Mark("skipped", report.reason, type=kind)
    return None
