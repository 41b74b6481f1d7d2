"""Coverage: what a job records, and what the host makes of what jobs say."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_pytest.covered import Combined, numbers
from maelstrom_pytest.guest.cov_report import numbers as unpacked
from maelstrom_pytest.guest.covered import PART, Recorder, bits
from maelstrom_pytest.records import MAX_RECORD, Covered, Record

FILES = st.dictionaries(st.sampled_from(["/a.py", "/ü.py"]), st.sets(st.integers(0, 3000)), max_size=2)
LINES = st.dictionaries(st.sampled_from(["", "test|run"]), FILES)


def add(combined: Combined, recorder: Recorder) -> list[Covered]:
    """Add what arrives of what was recorded; return that."""
    records = [msgspec.json.decode(each, type=Record) for each in recorder.records()]
    told = [record for record in records if isinstance(record, Covered)]
    assert len(told) == len(records) > 0
    for each in told:
        combined.add(each)
    return told


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
        add(combined, recorder)
    found = {(context, file): set(lines) for context, files in combined.lines() for file, lines in files.items()}
    assert found == expected
    assert bool(combined) == bool(expected)


def test_ways_between_lines_and_plugins_of_coverage_are_united() -> None:
    combined = Combined()
    for arcs in ({(-1, 2), (2, 3)}, {(2, 3), (3, -1)}):
        recorder = Recorder()
        recorder.add_arcs({"/a.py": arcs})
        recorder.add_file_tracers({"/a.html": "django"})
        add(combined, recorder)
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
    add(combined, recorder)
    again = Combined()
    again.add(msgspec.convert(combined.record(), Covered))
    assert dict(again.lines()) == dict(combined.lines())
    assert dict(again.arcs()) == dict(combined.arcs())
    for files in combined.record()["lines"].values():  # type: ignore[attr-defined]
        for text in files.values():
            told = int.from_bytes(msgspec.convert(text, bytes), "little")
            assert unpacked(text) == numbers(told)


def test_what_is_long_is_sent_in_parts_and_each_of_them_compressed() -> None:
    combined, recorder = Combined(), Recorder()
    arcs = {(line, line + 1) for line in range(300)}
    for context in range(6000):
        recorder.set_context(f"test_{context}|run")
        recorder.add_arcs({"/a/path/that/is/long.py": arcs})
        recorder.add_lines({"/b.py": {context}})
    told = add(combined, recorder)
    assert len(told) > 2
    assert all(each.loaded and each.zipped and not each.arcs for each in told)
    assert max(len(each.zipped) for each in told) < PART // 10
    assert [len(found) for _, files in combined.arcs() for found in files.values()] == [300] * 6000
    lines = [line for _, files in combined.lines() for found in files.values() for line in found]
    assert sorted(lines) == list(range(6000))


@pytest.mark.parametrize(
    "data",
    [
        b"no such thing",
        zlib.compress(b'{"type":"covered","lines":{"":{"/a.py":"Ag=="}}}')[:-5],
        zlib.compress(b'{"type":"covered","lines":{"":{"/a.py":"Ag=="}}}' + bytes(MAX_RECORD)),
        zlib.compress(b'{"type":"finish","item":1}'),
        zlib.compress(b'{"type":"covered","zipped":"Ag=="}'),
        zlib.compress(b'{"type":"no such record"}'),
        zlib.compress(b"[" * 200_000),
    ],
    ids=["no zlib", "cut off", "a bomb", "another record", "in itself", "no record", "too deep"],
)
def test_what_cannot_be_unpacked_counts_for_nothing(data: bytes) -> None:
    combined = Combined()
    combined.add(Covered(zipped=data))
    assert not combined


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
