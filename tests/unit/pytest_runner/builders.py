"""Records and outcomes for tests, with the dull fields filled in."""

from __future__ import annotations

from maelstrom_core.job import Effects, Exited, Output
from maelstrom_core.spec import ProjectLayer
from maelstrom_pytest.interpreter import Interpreter
from maelstrom_pytest.plan import Plan
from maelstrom_pytest.records import Ended, Finish, Item, Record, Report, SessionEnd, Start, Transcript

PYTHON = Interpreter("/venv/bin/python", (3, 12, 1), "9.0.0", "cpython-312")


def item(
    nodeid: str = "test_a.py::test_x", occurrence: int = 0, *, class_: str | None = None, function: str = ""
) -> Item:
    module = nodeid.split("::", maxsplit=1)[0]
    return Item(
        nodeid=nodeid,
        occurrence=occurrence,
        file=f"/project/{module}",
        module=module,
        class_=class_,
        function=function or nodeid.split("[", maxsplit=1)[0],
        markers=(),
        line=0,
    )


def report(when: str = "call", outcome: str = "passed", *, at: int = 0, category: str | None = None, **more) -> Report:
    if category is None:
        error = outcome == "failed" and when != "call"
        category = "error" if error else "" if outcome == "passed" and when != "call" else outcome
    return Report(item=at, nodeid="test_a.py::test_x", when=when, outcome=outcome, category=category, word="", **more)


def phases(*outcomes: str, at: int = 0) -> list[Report]:
    """Reports of setup, call, teardown; fewer outcomes mean later phases passed."""
    outcomes = (*outcomes, *["passed"] * (3 - len(outcomes)))
    return [report(when, outcome, at=at) for when, outcome in zip(("setup", "call", "teardown"), outcomes, strict=True)]


def whole(at: int = 0, *reports: Report) -> list[Record]:
    return [Start(at), *(reports or phases("passed", at=at)), Finish(at)]


def transcript(*records: Record, garbage: str | None = None, cut: bool = False) -> Transcript:
    return Transcript(tuple(records), garbage, cut)


def good_end(status: int = 0) -> list[Record]:
    return [SessionEnd(status, 0), Ended(status, None, False)]


def exited(code: int = 0, stderr: bytes = b"") -> Exited:
    return Exited(code, Effects(stderr=Output(stderr)))


def plan(**more) -> Plan:
    fields = {
        "interpreter": PYTHON,
        "directory": "/project",
        "shown": (ProjectLayer("/project"),),
        "arguments": ("-q",),
        "guest": "/cache/guest",
        "environment": {},
    }
    return Plan(**(fields | more))
