"""A run with a runner that answers from memory: collection, repetition, stopping early."""

from __future__ import annotations

import asyncio
import json

import pytest

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import Effects, ExecutionError, Exited, Output, Signaled, SystemFailure
from maelstrom_pytest import session
from maelstrom_pytest.guest.channel import encode
from maelstrom_pytest.plan import Isolation
from maelstrom_test_runner.status import Status
from tests.unit.pytest_runner.builders import item, plan

ENDED = {"type": "ended", "code": 0, "signal": None, "channel_lost": False}
END = {"type": "session", "status": 0, "warnings": 0, "deselected": 0}


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
        self.now = self.most = 0

    async def run(self, spec, *, stdin):
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

    def started(self, items):
        pass

    def requeued(self, items):
        pass

    def finished(self, item, verdict):
        key = (item.nodeid, item.occurrence)
        if key in self.verdicts:
            self.twice.append(key)
        self.verdicts[key] = verdict.status


def run(runner, items, **more):
    log = Log()
    asyncio.run(session.run(runner, plan(timeout=2.0), items, log, **more))
    assert log.twice == []
    return log.verdicts


ITEMS = [item(f"a.py::t{number}") for number in range(5)]


def all_pass(request):
    return outcome(*(record for index in range(len(request["select"])) for record in passing(index)), END, ENDED)


def test_every_test_gets_a_job_and_a_verdict():
    runner = Fake(all_pass)
    assert set(run(runner, ITEMS, concurrency=2).values()) == {Status.PASSED}
    assert len(runner.requests) == 5
    assert runner.most == 2


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
        run(Fake(broken), ITEMS, concurrency=3)


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
