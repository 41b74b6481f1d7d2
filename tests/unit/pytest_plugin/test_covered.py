"""Coverage: what a job records, and what the host makes of what jobs say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_pytest.covered import Combined, numbers
from maelstrom_pytest.guest.cov_report import numbers as unpacked
from maelstrom_pytest.guest.covered import Recorder, bits
from maelstrom_pytest.records import Covered, Record

FILES = st.dictionaries(st.sampled_from(["/a.py", "/ü.py"]), st.sets(st.integers(0, 3000)), max_size=2)
LINES = st.dictionaries(st.sampled_from(["", "test|run"]), FILES)


def sent(recorder: Recorder) -> Covered:
    """Return what arrives of a record."""
    record = msgspec.json.decode(json.dumps(recorder.record()).encode(), type=Record)
    assert isinstance(record, Covered)
    return record


@given(st.sets(st.integers(0, 100_000)))
def test_numbers_of_lines_survive_as_bits(lines: set[int]) -> None:
    told = msgspec.json.decode(f'"{bits(lines)}"', type=bytes)
    assert numbers(int.from_bytes(told, "little")) == sorted(lines)


@given(st.lists(LINES, max_size=4))
def test_what_jobs_have_covered_is_united(jobs: list[dict[str, dict[str, set[int]]]]) -> None:
    combined, expected = Combined(), {}
    for job in jobs:
        recorder = Recorder()
        for context, files in job.items():
            recorder.set_context(context)
            recorder.add_lines(files)
            for file, lines in files.items():
                if lines:
                    expected.setdefault((context, file), set()).update(lines)
        combined.add(sent(recorder))
    found = {(context, file): set(lines) for context, files in combined.lines() for file, lines in files.items()}
    assert found == expected
    assert bool(combined) == bool(expected)


def test_ways_between_lines_and_plugins_of_coverage_are_united() -> None:
    combined = Combined()
    for arcs in ({(-1, 2), (2, 3)}, {(2, 3), (3, -1)}):
        recorder = Recorder()
        recorder.add_arcs({"/a.py": arcs})
        recorder.add_file_tracers({"/a.html": "django"})
        combined.add(sent(recorder))
    assert list(combined.arcs()) == [("", {"/a.py": [(-1, 2), (2, 3), (3, -1)]})]
    assert combined.tracers == {"/a.html": "django"}


@given(LINES)
def test_what_is_united_can_be_sent_on(job: dict[str, dict[str, set[int]]]) -> None:
    """The job that reports gets it in the form in which jobs send it."""
    combined, recorder = Combined(), Recorder()
    for context, files in job.items():
        recorder.set_context(context)
        recorder.add_lines(files)
        recorder.add_arcs({file: {(line, -1) for line in lines} for file, lines in files.items()})
    combined.add(sent(recorder))
    again = Combined()
    again.add(msgspec.convert(combined.record(), Covered))
    assert dict(again.lines()) == dict(combined.lines())
    assert dict(again.arcs()) == dict(combined.arcs())
    for files in combined.record()["lines"].values():  # type: ignore[attr-defined]
        for text in files.values():
            told = int.from_bytes(msgspec.convert(text, bytes), "little")
            assert unpacked(text) == numbers(told)


def test_ways_that_come_to_no_end_are_dropped() -> None:
    combined = Combined()
    combined.add(Covered(lines={}, arcs={"": {"/a.py": (1, 2, 3)}}, tracers={}))
    assert list(combined.arcs()) == [("", {"/a.py": [(1, 2)]})]


class DataFile:
    """A data file of coverage that a program of a test has left."""

    contexts = ("", "other")

    def __init__(self) -> None:
        self._context = ""

    def has_arcs(self) -> bool:
        return False

    def measured_contexts(self) -> tuple[str, ...]:
        return self.contexts

    def set_query_context(self, context: str) -> None:
        self._context = context

    def measured_files(self) -> set[str]:
        return {"/a.py"}

    def lines(self, _file: str) -> list[int]:
        return [1] if self._context else [2]

    def file_tracer(self, _file: str) -> str:
        return ""


def test_the_data_of_a_program_that_a_test_started_counts(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.add_data(DataFile())
    assert recorder.lines == {"": {"/a.py": {2}}, "other": {"/a.py": {1}}}
