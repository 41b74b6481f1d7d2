"""The guest tells which tests a file has when it has collected it, and not before or after."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from maelstrom_pytest import guest_files, session
from maelstrom_pytest import plan as planning
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.plans import Call, make_plan
from tests.integration.pytest_guest.harness import environment, make
from tests.integration.pytest_guest.subprocess_runner import SubprocessRunner

TWO = "import pytest\n@pytest.mark.slow\ndef test_1(): pass\nclass TestC:\n    def test_2(self): pass\n"
INI = "[pytest]\nmarkers = slow\n"
# looks what has been told when it is collected itself, which is when the pipe has been read
LATE = "import time, pathlib\ntime.sleep(1)\nassert pathlib.Path({!r}).exists()\ndef test_3(): pass\n"


class Ear:
    def __init__(self, mark: Path) -> None:
        self.mark = mark
        self.heard: list[list[tuple[str, int]]] = []
        self.markers: set[str] = set()

    def begin(self) -> None:
        pass

    def found(self, items) -> None:
        self.mark.touch()
        self.heard.append([(item.nodeid, item.occurrence) for item in items])
        self.markers.update(*(item.markers for item in items))


def collect(project: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    """Collect in a plain process, which finds the pipe where it is; return what was heard, and the collection."""
    monkeypatch.setattr(planning, "EARLY_MOUNT_POINT", str(scratch / "pipes" / "0"))
    config = PytestConfig(cache_root=scratch, python=sys.executable)
    call = Call(project, arguments, environment())
    plan = make_plan(config, call, markup=False, width=80, mount_point=str(guest_files.SOURCE))
    ear = Ear(scratch / "heard")
    collection = asyncio.run(session.collect(SubprocessRunner(), plan, ear, pipes=scratch / "pipes"))
    return ear, collection


B = [("test_b.py::test_3", 0)]
A = [("test_a.py::test_1", 0), ("test_a.py::TestC::test_2", 0)]


def test_a_file_is_told_before_the_next_one_is_collected(tmp_path, monkeypatch):
    mark = str(tmp_path / "cache" / "heard")
    files = {"test_a.py": TWO, "test_b.py": LATE.format(mark), "pytest.ini": INI}
    project, scratch = make(tmp_path / "project", files), tmp_path / "cache"
    ear, collection = collect(project, scratch, monkeypatch)
    assert ear.heard == [A, B]
    assert ear.markers == {"slow"}
    assert [(item.nodeid, item.occurrence) for item in collection.items] == [*A, *B]
    assert not collection.broken


@pytest.mark.parametrize(
    ("arguments", "heard"),
    [
        (("-k", "test_1"), []),
        (("-m", "slow"), []),
        (("--collect-only",), []),
        (("--deselect", "test_a.py::TestC"), [A[:1], B]),
        (("test_a.py::test_1", "test_b.py::test_3"), [A[:1]]),
        (("--keep-duplicates", "test_a.py", "test_a.py"), [A, [(name, 1) for name, _ in A]]),
    ],
)
def test_what_is_told_depends_on_how_tests_are_chosen(tmp_path, monkeypatch, arguments, heard):
    project = make(tmp_path / "project", {"test_a.py": TWO, "test_b.py": "def test_3(): pass\n", "pytest.ini": INI})
    ear, collection = collect(project, tmp_path / "cache", monkeypatch, *arguments)
    assert ear.heard == heard
    assert collection.items
