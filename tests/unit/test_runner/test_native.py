"""The course of a native runner's tests: selection, order, repetition, retries, exit codes, while more are found."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from maelstrom_core.errors import UserError
from maelstrom_core.job import Cancelled, Effects, ExecutionError, Exited, SystemFailure
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_test_runner.config import RunnerConfig
from maelstrom_test_runner.directives import Directives, parse_directive
from maelstrom_test_runner.events import Collected, Finished, Message, Output, Requeued, Started
from maelstrom_test_runner.filters import TEXT_MATCHERS, Language, Selector
from maelstrom_test_runner.history import History
from maelstrom_test_runner.native import Case, Subtest, Verdict
from maelstrom_test_runner.native_call import NativeCall
from maelstrom_test_runner.native_course import Course
from maelstrom_test_runner.native_telling import NativeTeller
from maelstrom_test_runner.runner_file import RunnerFile
from maelstrom_test_runner.selecting import read_selection
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import EventStream

LANGUAGE = Language((Selector("name", 1, TEXT_MATCHERS),))
CONTAINER = ContainerSpec()
UNHEARD = 77
"""A job that ends so has no verdict, since its last words were not kept."""


def case(name: str, **fields: object) -> Case:
    return Case(name=name, facts={"name": name}, suite="s", title=name, **fields)


class Jobs:
    """Runs jobs: each exits with the next of the codes of its program, 0 where there is none."""

    def __init__(self, codes: dict[str, list[int]]) -> None:
        self.codes = codes
        self.specs: list[JobSpec] = []
        self.heard: list[bool] = []
        """Of which jobs the output was read as it came."""

    def submit(self, spec, *, on_start=None, descriptor=-1, **_streams):
        loop = asyncio.get_running_loop()
        self.heard.append(descriptor >= 0)
        if descriptor >= 0:
            os.close(descriptor)
        future = loop.create_future()
        self.specs.append(spec)

        def end() -> None:
            if not future.done():
                on_start()
                code = codes.pop(0) if (codes := self.codes.get(spec.program, [])) else 0
                broken = {-1: ExecutionError("it is not there"), -2: SystemFailure("three workers were lost")}
                future.set_result(broken.get(code) or Exited(code, Effects(duration=0.5)))

        loop.call_soon(end)
        return future

    def cancel(self, future) -> None:
        if not future.done():
            future.set_result(Cancelled())


class Native:
    """Finds batches of tests, one after another; waits for nothing between them."""

    def __init__(self, *batches: list[Case], error: Exception | None = None, broken: str = "", hold: bool = False):
        self.batches, self.error, self.broken, self.hold = batches, error, broken, hold
        self.subtests: tuple[Subtest, ...] = ()
        self.partial = False
        self.cancelled = False

    async def find(self, found, _runner) -> None:
        for batch in self.batches:
            found.cases(batch)
            await asyncio.sleep(0)
        if self.broken:
            found.broken("lib", self.broken)
        if self.error is not None:
            raise self.error
        if self.hold:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True

    def job(self, case, _treatment) -> JobSpec:
        return JobSpec(container=CONTAINER, program=case.title)

    def judge(self, _case, outcome) -> Verdict:
        if outcome.code == UNHEARD:
            return Verdict(status=Status.ERR, detail="not a word", unheard=True)
        status = Status.FAILED if outcome.code else Status.PASSED
        return Verdict(
            status=status, seconds=0.5, counts={status.value: 1}, subtests=self.subtests, partial=self.partial
        )


class Log:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events = []

    def take(self, event, _state) -> None:
        self.events.append(event)

    def tick(self, _at, _state) -> None:
        pass

    def close(self) -> None:
        pass

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def verdicts(self):
        return [(event.test.name, event.status.value) for event in self.all(Finished)]


class Run:
    """One run, and what it told."""

    def __init__(self, tmp_path: Path, native: Native, codes=None, *, directives=(), include=(), call=None, **config):
        self.jobs, self.log = Jobs(codes or {}), Log()
        selection = read_selection(
            include,
            (),
            LANGUAGE,
            last_failed=config.pop("last_failed", False),
            shard=config.pop("shard", None),
        )
        whole = NativeCall(
            directory=tmp_path,
            root=tmp_path,
            environment={},
            file=RunnerFile(Directives([parse_directive(each, LANGUAGE) for each in directives])),
            file_name="x.toml",
            selection=selection,
            **(call or {}),
        )

        async def run() -> int:
            teller = NativeTeller(EventStream(lambda: 0.0, [self.log]))
            with History(tmp_path / "history") as history:
                settings = RunnerConfig(slots=2, **config)
                return await Course(settings, whole, native, teller, runner=self.jobs, history=history).run()

        self.code = asyncio.run(run())


def test_ap7_ap8_tests_of_several_batches_run_and_are_counted(tmp_path):
    run = Run(tmp_path, Native([case("a"), case("b")], [case("c")]), {"b": [1]})
    assert run.log.verdicts() == [("a", "OK"), ("b", "FAIL"), ("c", "OK")]
    assert [event.tests for event in run.log.all(Collected)] == [2, 1]
    assert run.code == 1


def test_rg1_ap1_nothing_is_found(tmp_path):
    run = Run(tmp_path, Native())
    assert [event.tests for event in run.log.all(Collected)] == [0]
    assert run.code == 5


def test_filters_choose_from_each_batch(tmp_path):
    run = Run(tmp_path, Native([case("a"), case("b")], [case("ba")]), include=["name.starts_with(b)"])
    assert run.log.verdicts() == [("b", "OK"), ("ba", "OK")]


def test_a_test_that_fails_and_passes_then_is_flaky(tmp_path):
    run = Run(tmp_path, Native([case("a"), case("b")]), {"a": [1], "b": [1, 1]}, retries=1)
    assert run.log.verdicts() == [("a", "FLAKY"), ("b", "FAIL")]
    assert [event.tests[0].name for event in run.log.all(Requeued)] == ["a", "b"]
    assert run.code == 1
    assert Run(tmp_path, Native([case("a")]), {"a": [1]}, retries=1, fail_flaky=True).code == 1


def test_ap25_enough_has_failed_and_nothing_is_sought_any_more(tmp_path):
    native = Native([case("a"), case("b")], hold=True)
    run = Run(tmp_path, native, {"a": [1]}, stop_after=1)
    assert run.log.verdicts() == [("a", "FAIL")]
    assert (run.code, native.cancelled) == (1, True)


def test_ap17_ap24_what_is_ignored_is_told_once_and_never_run(tmp_path):
    directive = {"filter": "name.equals(b)", "ignore": True}
    native = Native([case("a", ignored="broken"), case("b"), case("c")])
    run = Run(tmp_path, native, directives=[directive], repeat=2)
    assert run.log.verdicts() == [("a", "IGNORED"), ("b", "IGNORED"), ("c", "OK"), ("c", "OK")]
    assert [event.reason for event in run.log.all(Finished)][:2] == ["broken", "a directive of x.toml"]


def test_what_failed_last_time_is_chosen_when_all_is_known(tmp_path):
    cases = [case("a")], [case("b")]
    Run(tmp_path, Native(*cases), {"b": [1]})
    run = Run(tmp_path, Native(*cases), last_failed=True)
    assert run.log.verdicts() == [("b", "OK")]


def test_ap21_what_failed_last_time_goes_first_and_the_longest_next(tmp_path):
    Run(tmp_path, Native([case("a"), case("b")]), {"b": [1]})
    run = Run(tmp_path, Native([case("a"), case("b"), case("new")]))
    assert [spec.program for spec in run.jobs.specs] == ["b", "new", "a"]
    assert [(spec.priority, spec.estimated_duration) for spec in run.jobs.specs] == [(1, 0.5), (0, None), (0, 0.5)]


def test_shards_have_all_tests_together(tmp_path):
    names = [
        Run(tmp_path, Native([case("a")], [case("b"), case("c")]), shard=f"{number}/2").log.verdicts()
        for number in (1, 2)
    ]
    assert sorted(name for part in names for name, _ in part) == ["a", "b", "c"]


def test_ap26_a_listing_runs_nothing(tmp_path):
    run = Run(tmp_path, Native([case("a")], [case("b", ignored="")]), call={"listing": True})
    assert [event.text for event in run.log.all(Message)] == ["a\nb"]
    assert (run.jobs.specs, run.code) == ([], 0)


def test_jobs_are_printed_with_their_container_once(tmp_path):
    run = Run(tmp_path, Native([case("a"), case("b")]), call={"dry_run": True})
    lines = [event.text for event in run.log.all(Message)]
    assert [line[:12] for line in lines] == ['{"containers', '{"parent": "', '{"parent": "']


def test_ap5_tests_that_could_not_be_built_make_the_run_fail(tmp_path):
    run = Run(tmp_path, Native([case("a")], broken="no such crate"))
    assert (run.log.verdicts(), run.code) == ([("a", "OK")], 1)


def test_ap27_a_search_that_fails_ends_the_run(tmp_path):
    with pytest.raises(UserError, match="no cargo"):
        Run(tmp_path, Native([case("a")], error=UserError("no cargo")))


def test_a_test_whose_last_words_were_not_kept_is_run_once_more_and_listened_to(tmp_path):
    run = Run(tmp_path, Native([case("a")]), {"a": [UNHEARD, 0]})
    assert (run.log.verdicts(), run.code, run.jobs.heard) == ([("a", "OK")], 0, [False, True])
    assert [event.text for event in run.log.all(Output)] == []
    run = Run(tmp_path, Native([case("a")]), {"a": [UNHEARD, UNHEARD]})
    assert (run.log.verdicts(), run.jobs.heard) == ([("a", "ERR")], [False, True])


def test_ap11_a_job_that_could_not_run_is_no_tests_fault(tmp_path):
    run = Run(tmp_path, Native([case("a")]), {"a": [-1]}, retries=3)
    assert (run.log.verdicts(), run.code) == ([("a", "ERR")], 3)
    assert len(run.log.all(Started)) == 1


def test_what_the_machinery_gave_up_is_tried_again_and_is_no_attempt(tmp_path):
    run = Run(tmp_path, Native([case("a"), case("b"), case("c")]), {"a": [-2], "b": [1, -2], "c": [-2, -2]}, retries=1)
    assert sorted(run.log.verdicts()) == [("a", "OK"), ("b", "FLAKY"), ("c", "ERR")]
    assert {event.test.name: len(event.attempts) for event in run.log.all(Finished)} == {"a": 0, "b": 1, "c": 0}
    assert len(run.log.all(Started)) == 7


def test_directives_say_how_long_a_test_may_take_unless_the_command_line_does(tmp_path):
    directive = {"timeout": 5, "slots": 2}
    run = Run(tmp_path, Native([case("a")]), directives=[directive])
    assert [(spec.timeout, spec.slots) for spec in run.jobs.specs] == [(5, 2)]
    assert Run(tmp_path, Native([case("a")]), directives=[directive], timeout=0.0).jobs.specs[0].timeout is None


def test_a_part_of_a_test_that_passes_makes_no_failure_forgotten(tmp_path):
    Run(tmp_path, Native([case("a"), case("b")]), {"a": [1]})
    partial = Native([case("a"), case("b")])
    partial.partial = True
    assert Run(tmp_path, partial, include=["name.equals(a)"]).log.verdicts() == [("a", "OK")]
    Run(tmp_path, partial, {"b": [1]}, include=["name.equals(b)"])
    run = Run(tmp_path, Native([case("a"), case("b")]), last_failed=True)
    assert run.log.verdicts() == [("a", "OK"), ("b", "OK")]
    run = Run(tmp_path, Native([case("a"), case("b")]), {"b": [1]})
    assert [event.seconds for event in run.log.all(Collected)] == [1.0]


def test_subtests_stand_in_reports_and_are_not_counted(tmp_path):
    native = Native([case("a")])
    native.subtests = (
        Subtest(title="a/x", status=Status.FAILED, seconds=0.25, text="bad\n", message="bad"),
        Subtest(title="a/y", status=Status.SKIPPED, reason="not now"),
    )
    run = Run(tmp_path, native, {"a": [1]})
    (finished,) = run.log.all(Finished)
    assert [(each.name, each.status.value) for each in finished.subtests] == [("a/x", "FAIL"), ("a/y", "IGNORED")]
    assert [(each.classname, each.name, each.time) for each in finished.cases] == [
        ("s", "a", 0.5),
        ("s", "a/x", 0.25),
        ("s", "a/y", 0.0),
    ]
    assert [(mark.tag, mark.message) for each in finished.cases[1:] for mark in each.marks] == [
        ("failure", "bad"),
        ("skipped", "not now"),
    ]
    assert [(event.tests, event.suites) for event in run.log.all(Collected)] == [(1, {"s": 1})]


def test_a_test_whose_verdict_is_known_does_not_run_unless_it_has_failed_since(tmp_path):
    known = Verdict(status=Status.PASSED, seconds=3.0)
    run = Run(tmp_path, Native([case("a", known=known), case("b")]))
    assert [spec.program for spec in run.jobs.specs] == ["b"]
    assert [(event.test.name, event.cached) for event in run.log.all(Finished)] == [("a", True), ("b", False)]
    assert [(event.tests, event.unknown) for event in run.log.all(Collected)] == [(2, 1)]
    Run(tmp_path, Native([case("a")]), {"a": [1]})
    run = Run(tmp_path, Native([case("a", known=known)]))
    assert [(spec.program, event.cached) for spec in run.jobs.specs for event in run.log.all(Finished)] == [
        ("a", False)
    ]
