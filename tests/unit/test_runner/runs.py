"""Events of runs for tests, with the dull fields filled in, and those who take them."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from maelstrom_test_runner.displays.simple import SimpleDisplay
from maelstrom_test_runner.events import (
    AnyEvent,
    Begun,
    Busy,
    Collected,
    CollectionError,
    Ended,
    Finished,
    Interrupted,
    Mark,
    Message,
    Note,
    Remark,
    Requeued,
    Skipped,
    Started,
    Test,
    TestCase,
)
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import replay


def begun(**more) -> Begun:
    fields = {
        "at": 0.0,
        "runner": "maelstrom-pytest",
        "native": "pytest",
        "version": "1",
        "directory": "/project",
        "slots": 2,
        "time": "2026-01-01T00:00:00+00:00",
        "host": "here",
    }
    return Begun(**(fields | more))


def finished(at: float, name: str, status: Status = Status.PASSED, occurrence: int = 0, **more) -> Finished:
    words = {Status.PASSED: "passed", Status.FAILED: "failed", Status.SKIPPED: "skipped"}
    fields = {"seconds": 0.25, "counts": {words.get(status, "error"): 1}}
    return Finished(at=at, test=Test(name, occurrence), status=status, **(fields | more))


def started(at: float, *names: str) -> Started:
    return Started(at=at, tests=tuple(Test(name) for name in names))


def whole_run() -> list[AnyEvent]:
    """A run in which everything happens."""
    failure = Mark("failure", "assert 1 == 2", "text")
    return [
        begun(),
        Busy(at=0.0, text="collecting the tests"),
        Remark(at=0.05, text="downloaded an image"),
        Collected(at=0.5, tests=4, deselected=1, seconds=1.0, unknown=1),
        Skipped(at=0.5, name="test_s.py", reason="not here", case=TestCase("", "test_s", 0.0)),
        CollectionError(at=0.5, name="test_e.py", text="ImportError: nothing"),
        Message(at=0.5, text="words of pytest"),
        started(0.6, "t::a", "t::b"),
        Requeued(at=0.7, tests=(Test("t::b"),)),
        Note(at=0.75, text="something"),
        finished(0.8, "t::a", cases=(TestCase("t", "a", 0.25),)),
        started(0.9, "t::b"),
        started(1.0, "t::c"),
        finished(
            2.4,
            "t::b",
            Status.FAILED,
            texts=("\x1b[31m____ t::b ____\x1b[0m\nE   assert 1 == 2\n",),
            cases=(TestCase("t", "b", 0.25, (failure,)),),
        ),
        finished(2.5, "t::c", Status.ERR, detail="killed", hint="look there", stderr="out of memory\n", counts={}),
        started(2.6, "t::d"),
        Interrupted(at=2.7),
        Ended(at=2.7, code=130),
    ]


def shown(events: Iterable[AnyEvent], **options) -> str:
    """What a simple display writes of a run."""
    stream = StringIO()
    fields = {"terminal": False, "width": 60, "colour": False}
    replay(events, [SimpleDisplay(stream, **(fields | options))])
    return stream.getvalue()
