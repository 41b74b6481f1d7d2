"""Tests that begin while pytest still collects: whatever was guessed, it ends as if nothing had been."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import msgspec
import pytest

from maelstrom_core.errors import InfrastructureError
from maelstrom_core.job import NotForked
from maelstrom_pytest.early import EarlyItems, take_records
from maelstrom_pytest.guessing import Guessing
from maelstrom_pytest.guest.channel import encode
from maelstrom_pytest.plan import Isolation
from maelstrom_pytest.records import NO_TEMPLATE, Configured
from maelstrom_pytest.running import Run
from maelstrom_pytest.session import Collection
from maelstrom_test_runner.status import Status
from tests.unit.pytest_runner.builders import item, plan
from tests.unit.pytest_runner.test_session import END, ENDED, Log, all_pass, failing, outcome, passing

CONFIGURED = Configured(
    "3.12.1", "9.0.0", "/p", None, 0, collect_only=False, continue_on_errors=False, distributed=False
)
A = [item(f"a.py::t{number}") for number in range(4)]
B = [item(f"b.py::t{number}") for number in range(4)]


class Slow:
    """A runner whose jobs end when they are told to."""

    def __init__(self, answer=lambda _spec, request: all_pass(request)):
        self.answer = answer
        self.jobs = []
        self.cancelled = []

    def submit(self, spec, *, stdin, on_start=None):
        future = asyncio.get_running_loop().create_future()
        self.jobs.append((spec, json.loads(stdin), on_start, future))
        return future

    def cancel(self, future):
        self.cancelled.append(future)

    @property
    def names(self):
        return [[each[0] for each in request["select"]] for _spec, request, _start, _future in self.jobs]

    async def end(self, *numbers, begin=True):
        for number in numbers:
            spec, request, on_start, future = self.jobs[number]
            if begin and on_start is not None:
                on_start()
            future.set_result(self.answer(spec, request))
        for _ in range(3):
            await asyncio.sleep(0)

    async def end_all(self):
        done = 0
        while done < len(self.jobs):
            if not self.jobs[done][3].done():
                await self.end(done)
            done += 1


class Listener(Log):
    def __init__(self):
        super().__init__()
        self.calls = []

    def started(self, items):
        self.calls.append(("started", *(each.nodeid for each in items)))

    def finished(self, item, verdict):
        super().finished(item, verdict)
        self.calls.append(("finished", item.nodeid))


def go(story, runner=None, **more):
    """Run a coroutine function with a run, its runner and its listener."""
    runner, log = runner or Slow(), Listener()

    async def main():
        tests = Run(runner, plan(templates=True), log, **more)
        await story(tests, runner, log)

    asyncio.run(main())
    assert log.twice == []
    return runner, log


async def finish(tests, runner, items, **more):
    ending = asyncio.ensure_future(tests.finish(items, **more))
    await asyncio.sleep(0)
    await runner.end_all()
    return await asyncio.wait_for(ending, 10)


def test_what_was_guessed_right_is_not_run_again_and_nobody_hears_of_it_before_it_is_certain():
    async def story(tests, runner, log):
        tests.guess(A, forks=400)
        await runner.end(0, 1)
        runner.jobs[2][2]()
        assert log.calls == []
        await finish(tests, runner, [*A, *B])

    runner, log = go(story)
    assert sorted(runner.names) == sorted([each.nodeid] for each in [*A, *B])
    assert log.calls[:5] == [("started", "a.py::t2")] + [
        (word, f"a.py::t{number}") for number in (0, 1) for word in ("started", "finished")
    ]
    assert len(log.verdicts) == 8


def test_what_was_guessed_wrong_never_was():
    async def story(tests, runner, log):
        tests.guess([*A, *B], forks=400)
        await runner.end(0, 1)
        await finish(tests, runner, [A[0], B[1]])

    runner, log = go(story)
    assert set(log.verdicts) == {("a.py::t0", 0), ("b.py::t1", 0)}
    assert len(runner.jobs) == 8
    assert len(runner.cancelled) == 5  # all that flew, but for b.py::t1


def test_a_test_that_came_to_want_an_interpreter_of_its_own_gets_one():
    alone = msgspec.structs.replace(A[0], markers=(NO_TEMPLATE,))

    async def story(tests, runner, log):
        tests.guess(A, forks=400)
        await runner.end(0)
        await finish(tests, runner, [alone, *A[1:]])

    runner, log = go(story)
    assert len(log.verdicts) == 4
    assert [spec.template is None for spec, *_ in runner.jobs] == [False] * 4 + [True]


def test_jobs_of_several_tests_count_only_as_a_whole():
    async def story(tests, runner, log):
        tests.guess([*A, *B], forks=400)
        await runner.end(0, 1)
        await finish(tests, runner, [*A, *B[1:]])

    runner, log = go(story, isolation=Isolation.MODULE)
    assert runner.names == [[each.nodeid for each in A], [each.nodeid for each in B], [each.nodeid for each in B[1:]]]
    assert len(log.verdicts) == 7


def test_the_first_failure_stops_a_run_though_more_have_ended():
    def fail(_spec, _request):
        return outcome(*failing(0), END, ENDED)

    async def story(tests, runner, log):
        tests.guess(A, forks=400)
        await runner.end(0, 1)
        await finish(tests, runner, [*A, *B], stop_after=1)

    _runner, log = go(story, Slow(fail))
    assert list(log.verdicts.values()) == [Status.FAILED]


def test_templates_that_refuse_are_noted_when_it_is_certain():
    def refuse(spec, request):
        return NotForked("it started a thread") if spec.template else all_pass(request)

    async def story(tests, runner, log):
        tests.guess(A, forks=400)
        await runner.end(0, 1)
        assert log.notes == []
        await finish(tests, runner, A)

    _runner, log = go(story, Slow(refuse))
    assert len(log.verdicts) == 4
    assert len(log.notes) == 1


def test_a_run_without_tests_ends_though_the_base_is_being_loaded():
    async def story(tests, runner, log):
        tests.load_base(forks=400)
        await finish(tests, runner, [])
        assert runner.names == [[]]
        assert len(runner.cancelled) == 1

    go(story)


def test_the_base_that_was_loaded_is_the_one_that_is_used():
    async def story(tests, runner, log):
        tests.load_base(forks=400)
        tests.guess(A, forks=400)
        await finish(tests, runner, [*A, *B])

    runner, _log = go(story)
    assert len({spec.template.request for spec, *_ in runner.jobs}) == 1


def test_what_cannot_be_submitted_is_told_to_whoever_waits():
    class Broken(Slow):
        def submit(self, *_spec, **_more):
            raise InfrastructureError("no containers here")

    async def story(tests, runner, log):
        tests.guess(A, forks=400)
        with pytest.raises(InfrastructureError, match="no containers here"):
            await tests.finish(A)

    go(story, Broken())


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("isolation", [Isolation.TEST, Isolation.MODULE, Isolation.AUTO])
def test_any_guess_at_any_time_gives_the_same_verdicts(seed, isolation):
    dice = random.Random(seed)
    names = [f"{file}.py::t{number}" for file in "abcd" for number in range(dice.randint(1, 6))]
    everything = [item(name) for name in names]
    bad = set(dice.sample(names, 3))

    def answer(_spec, request):
        chosen = [each[0] for each in request["select"]]
        records = [r for i, name in enumerate(chosen) for r in (failing if name in bad else passing)(i)]
        return outcome(*records, END, ENDED)

    final = dice.sample(everything, dice.randint(0, len(everything)))

    async def story(tests, runner, log):
        tests.guess(dice.sample(everything, dice.randint(0, len(everything))), forks=400)
        flying = len(runner.jobs)
        await runner.end(*dice.sample(range(flying), dice.randint(0, flying)))
        await finish(tests, runner, final)

    _runner, log = go(story, Slow(answer), isolation=isolation)
    expected = {(each.nodeid, 0): Status.FAILED if each.nodeid in bad else Status.PASSED for each in final}
    assert log.verdicts == expected


class Asked:
    """Notes what it is asked to begin with."""

    def __init__(self, isolation=Isolation.TEST):
        self.isolation = isolation
        self.asked = []

    def guess(self, items, **_forks):
        self.asked.append([each.nodeid for each in items])

    def load_base(self, **_forks):
        self.asked.append("base")


def collection(*items, collect_only=False):
    configured = msgspec.structs.replace(CONFIGURED, collect_only=collect_only)
    return Collection(configured, items, (), (), 0, 0, b"", b"", broken=False)


@pytest.mark.parametrize(
    ("last", "isolation", "asked"),
    [
        (None, Isolation.TEST, ["base", [A[0].nodeid]]),
        (None, Isolation.AUTO, ["base"]),
        (None, Isolation.SESSION, ["base"]),
        (collection(B[0]), Isolation.TEST, [[B[0].nodeid]]),
        (collection(B[0]), Isolation.AUTO, [[B[0].nodeid]]),
        (collection(B[0], collect_only=True), Isolation.TEST, ["base", [A[0].nodeid]]),
    ],
)
def test_the_last_collection_is_the_best_guess(last, isolation, asked):
    tests = Asked(isolation)
    guessing = Guessing(tests, last)
    guessing.begin()
    guessing.found((A[0],))
    assert tests.asked == asked


RECORD = {
    "items": [
        {"type": "item", "nodeid": "a.py::t", "occurrence": 0, "file": "/a.py", "module": "a.py", "class": None,
         "function": "a.py::t", "markers": []}
    ]
}  # fmt: skip


def test_records_are_taken_as_they_become_complete():
    data, found, buffer = encode(RECORD) * 3, [], bytearray()
    for start in range(0, len(data), 7):
        buffer += data[start : start + 7]
        found += take_records(buffer)
    assert [record.items[0].nodeid for record in found] == ["a.py::t"] * 3
    assert buffer == b""


@pytest.mark.parametrize("data", [b"\xff" * 8, encode({"items": [1]}), encode({}), b"\0\0\0\0", b"\0\0\0\x02\xff\xff"])
def test_what_is_no_record_is_an_error(data):
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        take_records(bytearray(data))


def write(early, data):
    Path(early.directory, "items").write_bytes(data)


def test_runs_at_the_same_time_have_a_pipe_each_and_later_ones_use_them_again(tmp_path):
    async def main():
        heard: asyncio.Queue[str] = asyncio.Queue()

        def found(items):
            heard.put_nowait(items[0].nodeid)

        with EarlyItems(tmp_path, found) as first:
            with EarlyItems(tmp_path, found) as second:
                assert first.directory != second.directory
            write(first, encode(RECORD) * 2)
            assert [await heard.get(), await heard.get()] == ["a.py::t"] * 2
            write(first, encode({"items": "?"}))
            await asyncio.sleep(0.01)
            write(first, encode(RECORD))
            await asyncio.sleep(0.01)
        with EarlyItems(tmp_path, found) as third:
            await asyncio.sleep(0.01)
            assert third.directory == first.directory
        assert heard.empty()

    asyncio.run(asyncio.wait_for(main(), 10))
    assert len(list(tmp_path.iterdir())) == 2
