"""A run with a runner that answers from memory: collection, repetition, stopping early."""

from __future__ import annotations

import asyncio
import json

import pytest

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import Effects, ExecutionError, Exited, NotForked, Output, Signaled, SystemFailure
from maelstrom_pytest import running, session
from maelstrom_pytest.guest.channel import encode
from maelstrom_pytest.jobs import Jobs
from maelstrom_pytest.plan import Isolation
from maelstrom_pytest.records import CHANNEL_LOST_CODE
from maelstrom_pytest.works import Work
from maelstrom_test_runner.status import Status
from tests.support.whole_run import run_whole
from tests.unit.pytest_runner.builders import item, plan

ENDED = {"type": "ended", "code": 0, "signal": None, "channel_lost": False}
END = {"type": "session", "status": 0, "deselected": 0}


def outcome(*records, code=0):
    return Exited(code, Effects(result=Output(b"".join(encode(record) for record in records))))


def passing(index):
    words = {"nodeid": "x", "when": "call", "outcome": "passed", "category": "passed", "word": ""}
    report = {"type": "report", "item": index, **words}
    return [{"type": "start", "item": index}, report, {"type": "finish", "item": index}]


class Fake:
    """A runner that answers by a function of the request; the most jobs it saw at once are noted."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.specs = []
        self.now = self.most = self.cancelled = 0

    def submit(self, spec, *, stdin, on_start=None):
        return asyncio.ensure_future(self.answered(spec, stdin, on_start))

    def cancel(self, future):
        self.cancelled += 1
        future.cancel()

    async def answered(self, spec, stdin, on_start):
        if on_start is not None:
            on_start()
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        self.specs.append(spec)
        self.requests.append(json.loads(stdin))
        return self.answer(self.requests[-1])


class Log:
    def __init__(self):
        self.verdicts = {}
        self.twice = []
        self.notes = []

    def started(self, items):
        pass

    def requeued(self, items):
        pass

    def note(self, text):
        self.notes.append(text)

    def finished(self, item, verdict):
        key = (item.nodeid, item.occurrence)
        if key in self.verdicts:
            self.twice.append(key)
        self.verdicts[key] = verdict.status


def run(runner, items, *, templates=False, log=None, **more):
    log = log or Log()

    async def main():
        await run_whole(runner, plan(timeout=2.0, templates=templates), items, log, **more)

    asyncio.run(main())
    assert log.twice == []
    return log.verdicts


ITEMS = [item(f"a.py::t{number}") for number in range(5)]


def all_pass(request):
    return outcome(*(record for index in range(len(request["select"])) for record in passing(index)), END, ENDED)


def test_every_test_gets_a_job_and_a_verdict():
    runner = Fake(all_pass)
    assert set(run(runner, ITEMS).values()) == {Status.PASSED}
    assert len(runner.requests) == 5


def test_the_runner_has_jobs_to_choose_from_but_never_all_of_many():
    runner = Fake(all_pass)
    many = [item(f"a.py::t{number}") for number in range(3 * running.WINDOW)]
    assert len(run(runner, many)) == len(many)
    assert runner.most == running.WINDOW


def test_the_timeout_of_a_job_is_that_of_its_tests_together():
    runner = Fake(all_pass)
    run(runner, ITEMS, isolation=Isolation.SESSION)
    assert [spec.timeout for spec in runner.specs] == [10.0]


def test_tests_behind_a_crash_are_run_again():
    def crash_at_second(request):
        if len(request["select"]) == 1:
            return all_pass(request)
        ended = {**ENDED, "code": None, "signal": 11}
        return outcome(*passing(0), {"type": "start", "item": 1}, ended, code=139)

    runner = Fake(crash_at_second)
    verdicts = run(runner, ITEMS[:3], isolation=Isolation.SESSION)
    assert list(verdicts.values()) == [Status.PASSED, Status.ERR, Status.PASSED]
    assert len(runner.requests) == 2


def test_a_test_missing_alone_is_tried_with_everything_collected():
    def answer(request):
        return outcome({"type": "missing", "items": [0]}, END, ENDED) if request["prune"] else all_pass(request)

    runner = Fake(answer)
    assert run(runner, ITEMS[:1]) == {("a.py::t0", 0): Status.PASSED}
    assert [request["prune"] for request in runner.requests] == [True, False]


def test_ap25_stop_after_leaves_the_rest_unrun():
    runner = Fake(lambda _request: outcome({"type": "start", "item": 0}, {**ENDED, "code": 1}, code=1))
    assert list(run(runner, ITEMS, stop_after=2).values()) == [Status.ERR, Status.ERR]


def test_ap27_what_the_runner_raises_comes_out_as_it_is():
    def broken(_request):
        raise InfrastructureError("no containers here")

    with pytest.raises(InfrastructureError, match="no containers here"):
        run(Fake(broken), ITEMS)


def test_tests_are_forked_from_a_template_of_their_file():
    runner = Fake(all_pass)
    run(runner, [*ITEMS, item("b.py::t"), item("c.txt::t"), item("d.txt::t")], templates=True)
    stages = [[json.loads(stage)["files"] for stage in spec.template.stages] for spec in runner.specs]
    small = [[], [["/project/c.txt", "/project/d.txt"]], [["/project/c.txt", "/project/d.txt"]]]
    assert stages == [*[[["/project/a.py"]]] * 5, *small]
    assert len({spec.template.request for spec in runner.specs}) == 1


def test_tests_of_several_files_in_one_job_are_forked_from_the_first_template():
    runner = Fake(all_pass)
    run(runner, [ITEMS[0], item("b.py::t")], templates=True, isolation=Isolation.SESSION)
    assert [spec.template.stages for spec in runner.specs] == [()]


class Refusing(Fake):
    """Its templates refuse."""

    async def answered(self, spec, stdin, on_start):
        outcome = await super().answered(spec, stdin, on_start)
        return NotForked("it started a thread") if spec.template is not None else outcome


def test_what_cannot_be_forked_starts_an_interpreter_and_is_noted_once():
    runner, log = Refusing(all_pass), Log()
    verdicts = run(runner, [*ITEMS, item("b.py::t")], templates=True, log=log)
    assert set(verdicts.values()) == {Status.PASSED}
    assert len(verdicts) == 6
    assert len(log.notes) == 1
    assert "a.py" in log.notes[0]
    assert "it started a thread" in log.notes[0]


def test_a_template_that_died_once_costs_neither_a_verdict_nor_a_word():
    class Dying(Fake):
        lost = 0

        async def answered(self, spec, stdin, on_start):
            outcome = await super().answered(spec, stdin, on_start)
            if spec.template is None or self.lost:
                return outcome
            self.lost += 1
            return NotForked("it died", accident=True)

    runner, log = Dying(all_pass), Log()
    assert set(run(runner, ITEMS, templates=True, log=log).values()) == {Status.PASSED}
    assert sum(spec.template is None for spec in runner.specs) == 1
    assert log.notes == []


@pytest.mark.parametrize(
    ("said", "given_up"), [("x", False), ("xx", False), ("xxx", True), ("xx.x", False), ("xx.xxx", True), ("r", True)]
)
def test_a_file_has_no_template_any_more_when_it_refuses_or_three_have_died_without_a_fork_between(said, given_up):
    """x: it died, r: it refused, a dot: it was forked."""
    jobs, work = Jobs(lambda _: None, lambda _: False), Work(tuple(ITEMS[:1]), site=object())
    gave_up = False
    for word in said:
        if word == ".":
            jobs.was_forked(work)
        else:
            gave_up = jobs.not_forked(work, accident=word == "x")
    assert gave_up == given_up


def test_a_fork_that_lost_its_channel_is_run_again_in_an_interpreter_of_its_own():
    def lose(request):
        return (
            Exited(CHANNEL_LOST_CODE, Effects()) if "mode" in request and "args" not in request else all_pass(request)
        )

    runner = Fake(lose)
    assert run(runner, ITEMS[:1], templates=True) == {("a.py::t0", 0): Status.PASSED}
    assert [spec.template is None for spec in runner.specs] == [False, True]


def failing(index):
    report = {"type": "report", "item": index, "nodeid": "x", "when": "call", "outcome": "failed", "category": "failed"}
    return [{"type": "start", "item": index}, {**report, "word": ""}, {"type": "finish", "item": index}]


def test_what_fails_in_company_is_confirmed_alone():
    def second_always_fails(request):
        names = [nodeid for nodeid, _occurrence, _file in request["select"]]
        return outcome(
            *(r for i, name in enumerate(names) for r in (failing if "t1" in name else passing)(i)), END, ENDED
        )

    runner, log = Fake(second_always_fails), Log()
    verdicts = run(runner, ITEMS, templates=True, isolation=Isolation.AUTO, log=log)
    assert [verdicts[f"a.py::t{number}", 0] for number in range(3)] == [Status.PASSED, Status.FAILED, Status.PASSED]
    assert [len(request["select"]) for request in runner.requests] == [5, 1]
    assert log.notes == []


def test_what_fails_in_company_only_is_named_as_a_leak():
    def fails_in_company(request):
        count = len(request["select"])
        return outcome(*passing(0), *(r for i in range(1, count) for r in failing(i)), END, ENDED)

    runner, log = Fake(fails_in_company), Log()
    assert set(run(runner, ITEMS[:2], templates=True, isolation=Isolation.AUTO, log=log).values()) == {Status.PASSED}
    assert log.notes == ["a.py::t1 failed after a.py::t0 in its process and passed alone: that test leaks"]


def verified(answer, verify=2):
    log, found = Log(), []

    async def main():
        found.append(await run_whole(Fake(answer), plan(), ITEMS, log, verify=verify))

    asyncio.run(main())
    assert log.twice == []
    return found[0], log


def test_a_sample_is_run_again_without_a_template_and_compared():
    mismatches, log = verified(all_pass)
    assert (mismatches, log.notes) == (0, [])
    assert len(log.verdicts) == 5


def test_a_test_that_minds_being_forked_is_named():
    def minds(request):
        return all_pass(request) if "args" not in request else outcome(*failing(0), END, ENDED)

    mismatches, log = verified(minds, verify=1)
    assert mismatches == 1
    assert "a.py::t0 is OK when it is forked from a template, and FAIL in an interpreter of its own" in log.notes[0]
    assert set(log.verdicts.values()) == {Status.PASSED}


def collect(answer):
    return asyncio.run(session.collect(Fake(lambda _request: answer), plan()))


CONFIGURED = {
    "type": "configured", "python": "3.12.1", "pytest": "9.0.0", "rootdir": "/project", "inipath": None, "maxfail": 0,
    "collect_only": False, "continue_on_errors": False, "distributed": False,
}  # fmt: skip


def test_py3_a_collection_error_breaks_the_collection():
    error = {"type": "collect-error", "nodeid": "a.py", "text": "ImportError"}
    assert collect(outcome(CONFIGURED, error, {**END, "status": 2}, ENDED)).broken
    assert not collect(outcome({**CONFIGURED, "continue_on_errors": True}, error, {**END, "status": 1}, ENDED)).broken


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (ExecutionError("no such program", "install it"), SpecError, "no such program"),
        (SystemFailure("no space"), InfrastructureError, "no space"),
        (Signaled(9, Effects()), UserError, "the job was killed by SIGKILL"),
        (Exited(0, Effects(result=Output(b"\0\0\0\0"))), UserError, "result channel"),
        (Exited(1, Effects(stderr=Output(b"Fatal"))), UserError, "Fatal"),
    ],
)
def test_ap5_a_collection_that_did_not_happen_is_an_error_that_says_why(answer, error, text):
    with pytest.raises(error, match=text):
        collect(answer)
