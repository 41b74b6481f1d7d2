"""Timelines and what GitHub is told."""

from __future__ import annotations

import io
import json

import pytest

from maelstrom_core.errors import UserError
from maelstrom_test_runner.events import Collected, Ended, Mark, Requeued, Test, TestCase
from maelstrom_test_runner.reports.github import GitHubReport, annotation, summary_text
from maelstrom_test_runner.reports.trace import TraceReport
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import replay
from tests.unit.test_runner.runs import begun, finished, started, whole_run

PHASES = (("setup", 0.1), ("call", 0.2), ("teardown", 0.1))


def timeline(tmp_path, *events):
    replay([begun(), *events, Ended(at=9, code=0)], [TraceReport(tmp_path / "t.json")])
    document = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    slices = [each for each in document if each["ph"] == "X"]
    return [(each["name"], each["tid"], each["ts"], each["dur"]) for each in slices], document


def test_a_test_has_its_container_and_its_phases(tmp_path):
    slices, _ = timeline(tmp_path, started(1, "a"), finished(2, "a", phases=PHASES))
    assert slices == [
        ("a", 1, 1_000_000, 1_000_000),
        ("container", 1, 1_000_000, 600_000),
        ("setup", 1, 1_600_000, 100_000),
        ("call", 1, 1_700_000, 200_000),
        ("teardown", 1, 1_900_000, 100_000),
    ]


def test_jobs_at_one_time_have_rows_of_their_own_which_are_used_again(tmp_path):
    first = started(1, "a"), started(1.1, "b"), finished(2, "a")
    slices, document = timeline(tmp_path, *first, started(2.1, "c"), finished(3, "b"), finished(3, "c"))
    assert {name: row for name, row, _, _ in slices if len(name) == 1} == {"a": 1, "b": 2, "c": 1}
    names = [each["args"]["name"] for each in document if each["name"] == "thread_name"]
    assert names == ["run", "slot 1", "slot 2"]


def test_workers_have_rows_of_their_own(tmp_path):
    ran = finished(2, "a"), finished(2, "b", worker="w", worker_attempt=2)
    _, document = timeline(tmp_path, started(1, "a"), started(1, "b"), *ran)
    tests = {each["name"]: each for each in document if each["ph"] == "X"}
    assert [(tests[name]["pid"], tests[name]["tid"]) for name in "ab"] == [(1, 1), (2, 1)]
    assert tests["b"]["args"] == {"status": "OK", "worker": "w", "worker attempt": "2"}
    names = [each["args"]["name"] for each in document if each["name"] in {"process_name", "thread_name"}]
    assert names == ["maelstrom-pytest", "run", "slot 1", "w", "slot 1"]


def test_tests_that_share_a_job_stand_behind_one_another_in_it(tmp_path):
    slices, _ = timeline(tmp_path, started(1, "a", "b"), finished(2, "a", seconds=0.25), finished(2, "b", seconds=0.5))
    assert slices == [
        ("2 tests", 1, 1_000_000, 1_000_000),
        ("a", 1, 1_250_000, 250_000),
        ("b", 1, 1_500_000, 500_000),
    ]


def test_a_job_that_ends_without_its_tests_is_shown(tmp_path):
    slices, _ = timeline(tmp_path, started(1, "a"), Requeued(at=2, tests=(Test("a"),)))
    assert slices == [("started again", 1, 1_000_000, 1_000_000)]


def test_slices_of_a_row_lie_within_each_other_or_apart(tmp_path):
    """As viewers want them."""
    replay(whole_run(), [TraceReport(tmp_path / "t.json")])
    slices = [each for each in json.loads((tmp_path / "t.json").read_text())["traceEvents"] if each["ph"] == "X"]
    assert len(slices) > 3
    for one in slices:
        for other in slices:
            if one["tid"] == other["tid"] and one["ts"] < other["ts"] < one["ts"] + one["dur"]:
                assert other["ts"] + other["dur"] <= one["ts"] + one["dur"]


def test_a_timeline_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="failed to write the timeline to "):
        replay([begun(), Ended(at=1, code=0)], [TraceReport(tmp_path / "file" / "t.json")])


def failure(name="t.py::a", message="assert 1 == 2", **more):
    case = TestCase("t", "a", 0.1, (Mark("failure", message),))
    return finished(1, name, Status.FAILED, cases=(case,), file="/repo/t.py", line=7, **more)


def test_an_annotation_names_file_line_and_what_is_wrong():
    assert annotation(failure(), "/repo/") == "::error file=t.py,line=7,title=t.py%3A%3Aa::assert 1 == 2\n"


def test_nothing_in_a_test_can_end_its_annotation():
    text = annotation(failure("a,b::c%\n", "x\n::error::100%\r"))
    assert text == "::error file=/repo/t.py,line=7,title=a%2Cb%3A%3Ac%25%0A::x%0A::error::100%25%0D\n"


def test_the_summary_has_counts_and_failures(tmp_path):
    stream = io.StringIO()
    events = [begun(), Collected(at=0, tests=3), finished(0.5, "b"), failure(texts=("\x1b[31mE  ```x```\x1b[0m\n",))]
    replay([*events, Ended(at=65, code=1)], [GitHubReport(stream, tmp_path / "summary.md")])
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("### maelstrom-pytest: 1 failed\n")
    assert "| 1 | 1 | 0 | 1 | 1:05 |" in text
    assert "````\nE  ```x```\n````" in text
    assert stream.getvalue().count("::error ") == 1


def test_many_failures_are_bounded(tmp_path):
    stream = io.StringIO()
    events = [begun(), Collected(at=0, tests=500), *(failure(f"t::{i}") for i in range(500)), Ended(at=2, code=1)]
    replay(events, [GitHubReport(stream, tmp_path / "summary.md")])
    assert stream.getvalue().count("::error ") == 10
    text = (tmp_path / "summary.md").read_text()
    assert text.count("<details>") == 100
    assert "and 400 more failures" in text


def test_markup_in_names_is_no_markup():
    state = RunState()
    state.take(begun())
    assert "<summary>a&lt;b&amp;c</summary>" in summary_text(state, [failure("a<b&c")], 1)
