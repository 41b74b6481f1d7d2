"""Tests that are tried again, repeated, ignored, or run in containers of their own; one verdict for each."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from maelstrom_core.job import SystemFailure
from maelstrom_pytest import junit_cases
from maelstrom_pytest.course import repeated
from maelstrom_pytest.plan import Isolation
from maelstrom_pytest.rules import LANGUAGE, Rules
from maelstrom_pytest.verdict import Verdict, after_attempts
from maelstrom_test_runner.directives import Directives, parse_directive
from maelstrom_test_runner.history import History
from maelstrom_test_runner.reports import junit
from maelstrom_test_runner.status import Status
from tests.support.whole_run import run_whole
from tests.unit.pytest_runner.builders import item, phases, plan
from tests.unit.pytest_runner.test_session import END, ENDED, ITEMS, Fake, Log, all_pass, outcome

FAILED = {"nodeid": "x", "when": "call", "outcome": "failed", "category": "failed", "word": "", "text": "why"}


def failing(request):
    reports = [
        record
        for index in range(len(request["select"]))
        for record in (
            {"type": "start", "item": index},
            {"type": "report", "item": index, **FAILED},
            {"type": "finish", "item": index},
        )
    ]
    return outcome(*reports, END, ENDED)


def nothing(_item):
    return False


class Attempts(Fake):
    """Fails so many times for each test, then passes."""

    def __init__(self, failures):
        super().__init__(self.attempt)
        self.failures = failures
        self.seen = {}

    def attempt(self, request):
        name = request["select"][0][0]
        self.seen[name] = self.seen.get(name, 0) + 1
        return failing(request) if self.seen[name] <= self.failures else all_pass(request)


class Verdicts(Log):
    def __init__(self):
        super().__init__()
        self.all = []
        self.again = []

    def requeued(self, items):
        self.again += [each.nodeid for each in items]

    def finished(self, item, verdict):
        self.all.append((item, verdict))


def run(runner, items, directives=None, **more):
    log = Verdicts()
    common = plan(templates=False)

    async def main():
        rules = Rules(common, directives or Directives())
        await run_whole(runner, common, items, log, rules=rules, **more)

    asyncio.run(main())
    return log


def test_a_test_that_fails_and_then_passes_is_flaky():
    runner = Attempts(2)
    log = run(runner, ITEMS[:1], retries=2)
    ((_item, verdict),) = log.all
    assert verdict.status is Status.FLAKY
    assert [attempt.status for attempt in verdict.attempts] == [Status.FAILED] * 2
    assert verdict.attempts[0].reports[0].text == "why"
    assert len(runner.requests) == 3
    assert log.again == [ITEMS[0].nodeid] * 2


@pytest.mark.parametrize(("retries", "attempts"), [(0, 0), (1, 1), (3, 3)])
def test_a_test_that_always_fails_has_failed_with_all_its_attempts(retries, attempts):
    ((_item, verdict),) = run(Attempts(100), ITEMS[:1], retries=retries).all
    assert verdict.status is Status.FAILED
    assert len(verdict.attempts) == attempts


def test_what_passes_is_not_tried_again():
    runner = Attempts(0)
    assert [verdict.status for _item, verdict in run(runner, ITEMS, retries=5).all] == [Status.PASSED] * 5
    assert len(runner.requests) == 5


@pytest.mark.parametrize(
    ("faults", "failures", "status", "attempts", "jobs"),
    [(1, 0, Status.PASSED, 0, 2), (2, 1, Status.FLAKY, 1, 4), (9, 0, Status.ERR, 0, 3)],
)
def test_what_the_machinery_gave_up_is_tried_again_and_is_no_attempt(faults, failures, status, attempts, jobs):
    runner = Attempts(failures)
    left = [SystemFailure("three workers were lost")] * faults
    runner.answer = lambda request: left.pop() if left else runner.attempt(request)
    ((_item, verdict),) = run(runner, ITEMS[:1], retries=2).all
    assert (verdict.status, len(verdict.attempts), len(runner.requests)) == (status, attempts, jobs)


def test_what_the_machinery_gave_up_is_its_fault():
    runner = Fake(lambda _request: SystemFailure("broken"))
    log = run(runner, ITEMS, retries=0)
    assert [(verdict.status, verdict.infrastructure) for _item, verdict in log.all] == [(Status.ERR, True)] * 5


def test_tests_that_share_a_job_are_tried_again_alone():
    runner = Fake(lambda request: failing(request) if len(request["select"]) > 1 else all_pass(request))
    log = run(runner, ITEMS[:3], retries=1, isolation=Isolation.MODULE)
    assert [verdict.status for _item, verdict in log.all] == [Status.FLAKY] * 3
    assert [len(request["select"]) for request in runner.requests] == [3, 1, 1, 1]


def test_only_what_has_failed_for_good_counts_towards_stopping():
    log = run(Attempts(1), ITEMS, retries=1, stop_after=1)
    assert len(log.all) == 5


def test_flaky_tests_have_not_failed_when_they_ran_last(tmp_path):
    with History(tmp_path / "history") as history:
        run(Attempts(1), ITEMS[:1], retries=1, history=history)
        assert not history.get(ITEMS[0].nodeid, 0).failed


def test_ap23_db6_repetitions_are_runs_of_their_own_and_one_failure_is_a_failure(tmp_path):
    runner = Attempts(1)
    with History(tmp_path / "history") as history:
        log = run(runner, repeated(ITEMS[:1], 3, nothing), history=history)
        assert history.get(ITEMS[0].nodeid, 0).failed
    assert [verdict.status for _item, verdict in log.all] == [Status.FAILED, Status.PASSED, Status.PASSED]
    assert [each.repetition for each, _verdict in log.all] == [0, 1, 2]


def test_ap24_ignored_tests_are_not_repeated():
    twice = repeated(ITEMS[:2], 2, lambda each: each is ITEMS[0])
    assert [(each.nodeid, each.repetition) for each in twice] == [("a.py::t0", 0), ("a.py::t1", 0), ("a.py::t1", 1)]


def test_repetitions_share_no_job_whatever_the_isolation():
    runner = Fake(all_pass)
    run(runner, repeated(ITEMS, 2, nothing), isolation=Isolation.SESSION)
    assert [len(request["select"]) for request in runner.requests] == [5, 5]


def directives(*tables):
    return Directives([parse_directive(table, LANGUAGE) for table in tables])


def test_ap17_ignored_tests_are_reported_and_not_run():
    runner = Fake(all_pass)
    log = run(runner, ITEMS[:2], directives({"filter": "name.equals(t0)", "ignore": True}), retries=3)
    assert [(each.nodeid, verdict.status) for each, verdict in log.all] == [
        ("a.py::t0", Status.SKIPPED),
        ("a.py::t1", Status.PASSED),
    ]
    assert log.all[0][1].counts == {"skipped": 1}
    assert "maelstrom-pytest.toml" in log.all[0][1].reason
    assert len(runner.requests) == 1


def test_tests_of_different_containers_share_no_job_and_others_do():
    runner = Fake(all_pass)
    said = directives(
        {"filter": "name.equals(t0)", "added_environment": {"A": "b"}, "slots": 2},
        {"filter": "name.equals(t1)", "timeout": 60, "working_directory": "/"},
        {"filter": "name.equals(t2)", "timeout": 60},
    )
    run(runner, ITEMS, said, isolation=Isolation.SESSION)
    found = {
        tuple(each[0][-2:] for each in request["select"]): (spec.slots, spec.timeout, request.get("directory"))
        for request, spec in zip(runner.requests, runner.specs, strict=True)
    }
    assert found == {
        ("t0",): (2, None, None),
        ("t1",): (1, 60, "/"),
        ("t2",): (1, 60, None),  # with the others its time would not be limited
        ("t3", "t4"): (1, None, None),
    }
    assert len({msgspec.msgpack.encode(spec.container) for spec in runner.specs}) == 2


def test_what_changes_no_container_costs_no_template():
    runner = Fake(lambda request: all_pass({"select": request["select"]}))
    common = plan()
    said = directives(
        {"filter": "name.equals(t0)", "timeout": 60},
        {"filter": "name.equals(t1)", "ignore": True},
        {"filter": "name.equals(t2)", "network": "disabled"},
    )
    items = [item(f"a.py::t{number}") for number in range(20)]

    async def main():
        await run_whole(runner, common, items, Verdicts(), rules=Rules(common, said))

    asyncio.run(main())
    kept = {(msgspec.msgpack.encode(spec.container), spec.template) for spec in runner.specs}
    assert len(kept) == 2
    assert len({template.stages for _container, template in kept}) == 2  # of one test no template of the file is made


def test_attempts_are_in_the_junit_report_as_junitparser_reads_it(tmp_path):
    from junitparser import JUnitXml
    from junitparser.xunit2 import FlakyFailure, RerunError, TestCase

    failed = Verdict(Status.FAILED, tuple(phases("passed", "failed")[:2]))
    crashed = Verdict(Status.ERR, detail="it was killed")
    flaky = after_attempts(Verdict(Status.PASSED, tuple(phases())), (failed, failed))
    bad = after_attempts(failed, (crashed,))
    cases = [*junit_cases.cases("a.py::flaky", flaky), *junit_cases.cases("a.py::bad", bad)]
    path = tmp_path / "r.xml"
    path.write_bytes(junit.document(cases, suite="s", time=1.0, timestamp="2026-01-01T00:00:00", hostname="h"))
    suite = next(iter(JUnitXml.fromfile(str(path))))
    first, second = (TestCase.fromelem(case._elem) for case in suite)
    assert (suite.tests, suite.failures, suite.errors) == (2, 1, 0)
    assert len(first.flaky_failures()) == 2
    assert isinstance(first.flaky_failures()[0], FlakyFailure)
    assert first.is_passed
    (error,) = second.rerun_errors()
    assert isinstance(error, RerunError)
    assert (error.message, error.type, error.stack_trace) == ("it was killed", "ERR", "it was killed")
