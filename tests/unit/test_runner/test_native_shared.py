"""Tests of a native runner that share a job: who does, and what becomes of those of whom it is not known."""

from __future__ import annotations

from maelstrom_core.job import Exited
from maelstrom_core.spec import JobSpec
from maelstrom_test_runner.companies import COMPANY, companies, families
from maelstrom_test_runner.events import Note, Requeued, Started
from maelstrom_test_runner.native import Isolation, Verdict
from maelstrom_test_runner.status import Status
from tests.unit.test_runner.test_native import CONTAINER, Native, Run, case

KILLED = 9
"""A job that ends so leaves nothing known."""


class Sharing(Native):
    """Tests of one binary, the part of their title before the dot; a job fails those whose number is in its code."""

    def __init__(self, *batches, isolation=Isolation.AUTO):
        super().__init__(*batches)
        self.isolation = isolation

    def kin(self, case):
        return case.title.partition(".")[0]

    def shared_job(self, cases, _treatment) -> JobSpec:
        return JobSpec(container=CONTAINER, program="+".join(case.title for case in cases))

    def judge_shared(self, cases, outcome):
        assert isinstance(outcome, Exited)
        if outcome.code == KILLED:
            return [None] * len(cases)
        statuses = [Status.FAILED if outcome.code >> n & 1 else Status.PASSED for n in range(len(cases))]
        return [Verdict(status=status, seconds=0.01) for status in statuses]


def cases(*names):
    return [case(name) for name in names]


def programs(run):
    return [spec.program for spec in run.jobs.specs]


def test_cheap_tests_of_a_binary_share_a_job(tmp_path):
    run = Run(tmp_path, Sharing(cases("x.a", "x.b", "y.c", "x.d")))
    assert sorted(programs(run)) == ["x.a+x.b+x.d", "y.c"]
    assert sorted(run.log.verdicts()) == [(name, "OK") for name in ("x.a", "x.b", "x.d", "y.c")]
    assert [len(event.tests) for event in run.log.all(Started)] == [1, 3]


def test_a_failure_in_company_is_confirmed_alone(tmp_path):
    run = Run(tmp_path, Sharing(cases("x.a", "x.b", "x.c")), {"x.a+x.b+x.c": [0b110], "x.c": [1]})
    assert programs(run) == ["x.a+x.b+x.c", "x.b", "x.c"]
    assert run.log.verdicts() == [("x.a", "OK"), ("x.b", "OK"), ("x.c", "FAIL")]
    note = "x.b failed after 1 other tests in its process and passed alone: one of them leaks, from x.a on"
    assert [event.text for event in run.log.all(Note)] == [note]
    assert [[test.name for test in event.tests] for event in run.log.all(Requeued)] == [["x.b"], ["x.c"]]
    assert run.jobs.specs[0].timeout is None


def test_of_whom_nothing_is_known_is_run_alone(tmp_path):
    for isolation in (Isolation.AUTO, Isolation.BINARY):
        run = Run(tmp_path / isolation.value, Sharing(cases("x.a", "x.b"), isolation=isolation), {"x.a+x.b": [KILLED]})
        assert programs(run) == ["x.a+x.b", "x.a", "x.b"]
        assert run.log.verdicts() == [("x.a", "OK"), ("x.b", "OK")]


def test_a_job_that_could_not_begin_says_nothing_of_its_tests(tmp_path):
    run = Run(tmp_path, Sharing(cases("x.a", "x.b")), {"x.a+x.b": [-1]})
    assert (programs(run), run.code) == (["x.a+x.b", "x.a", "x.b"], 0)


def test_where_company_is_wanted_for_itself_its_failures_count(tmp_path):
    tests = cases("x.a", "x.b", "y.c")
    run = Run(tmp_path, Sharing(tests, isolation=Isolation.BINARY), {"x.a+x.b": [0b10]})
    assert programs(run) == ["x.a+x.b", "y.c"]
    assert run.log.verdicts() == [("x.a", "OK"), ("x.b", "FAIL"), ("y.c", "OK")]
    again = Run(tmp_path, Sharing(tests, isolation=Isolation.BINARY))
    assert programs(again) == ["x.b", "y.c", "x.a"]  # what failed the last time is alone


def test_by_default_and_where_output_is_shown_nothing_is_shared(tmp_path):
    assert programs(Run(tmp_path / "1", Sharing(cases("x.a", "x.b"), isolation=Isolation.TEST))) == ["x.a", "x.b"]
    assert programs(Run(tmp_path / "2", Sharing(cases("x.a", "x.b")), show_output=True)) == ["x.a", "x.b"]


def test_repetitions_do_not_share_with_each_other(tmp_path):
    assert programs(Run(tmp_path, Sharing(cases("x.a", "x.b")), repeat=2)) == ["x.a+x.b"] * 2


def test_other_containers_are_other_jobs(tmp_path):
    directive = {"filter": "name.equals(x.b)", "timeout": 7}
    run = Run(tmp_path, Sharing(cases("x.a", "x.b", "x.c")), directives=[directive])
    assert sorted((spec.program, spec.timeout) for spec in run.jobs.specs) == [("x.a+x.c", None), ("x.b", 7)]


def test_companies_are_bounded_and_lose_nobody():
    numbers = list(range(3000))
    groups = companies(numbers, kin=lambda n: None if n == 7 else n % 2, seconds=lambda _: 1e-6, slots=2)
    assert sorted(n for members in groups for n in members) == numbers
    assert max(map(len, groups)) == COMPANY
    assert (7,) in groups
    assert families(numbers[:4], kin=lambda n: None if n == 3 else n % 2) == [(0, 2), (1,), (3,)]
