"""The job log: its lines, what it knows, and what becomes of a file that is torn, foreign or in use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import SpecError, UserError
from maelstrom_core.job import Cancelled, Effects, ExecutionError, Exited, Outcome, Signaled, SystemFailure, TimedOut
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_run.joblog import COLUMNS, HEADER, LARGEST_GAP, Entry, Known, format_line, parse_line
from maelstrom_run.log_file import JobLog
from maelstrom_run.task import Finished, Task, digest_of

OUTCOMES = st.one_of(
    st.builds(Exited, st.integers(0, 255), st.just(Effects(duration=1.5))),
    st.builds(Signaled, st.integers(1, 64), st.just(Effects())),
    st.just(TimedOut(Effects())),
    st.just(ExecutionError("no\tsuch\nthing")),
    st.just(SystemFailure("lost")),
)


def task(number: int, *arguments: str) -> Task:
    spec = JobSpec(container=ContainerSpec(), program="p", arguments=arguments)
    return Task(number, spec, digest_of(*(argument.encode() for argument in arguments)))


def over(number: int, outcome: Outcome | None = None, *arguments: str) -> Finished:
    return Finished(task(number, *arguments), outcome or Exited(0, Effects()), 1000.0)


@given(st.integers(1, 10**9), OUTCOMES, st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_line_says_what_was_put_in(number: int, outcome: Outcome, arguments: list[str]):
    finished = over(number, outcome, *arguments)
    line = format_line(finished)
    assert line.count(b"\n") == 1
    code = outcome.code if isinstance(outcome, Exited) else None if isinstance(outcome, SystemFailure) else 1
    assert parse_line(line) == Entry(number, finished.task.digest, code)


@given(st.binary(max_size=80), st.integers(0, 200))
def test_no_bytes_are_taken_for_a_line_or_do_harm(noise: bytes, cut: int):
    line = format_line(over(3))
    for wrong in (noise, line[: cut % len(line)]):
        with pytest.raises(ValueError):  # noqa: PT011 - any, UnicodeDecodeError is one
            parse_line(wrong)


def test_the_last_line_of_a_job_counts():
    known = Known()
    for code in (1, 0):
        known.add(Entry(2, task(2).digest, code))
    assert known.code(task(2)) == 0
    assert known.code(task(1)) is known.code(task(3)) is None
    assert known.counts() == (1, 0)


def test_a_number_that_no_job_can_have_takes_no_memory():
    with pytest.raises(ValueError, match="so early"):
        Known().add(Entry(LARGEST_GAP * 10, 1, 0))


def written(path: Path, *finished: Finished) -> str:
    log = JobLog(str(path), resume=False)
    for each in finished:
        log.add(each)
    log.close()
    return str(path)


def codes(path: str, *numbers: int, failed: bool = False) -> list[int | None]:
    log = JobLog(path, resume=True, failed=failed)
    try:
        return [log.code(task(number)) for number in numbers]
    finally:
        log.close()


def test_resuming_skips_what_ended_and_on_demand_not_what_failed(tmp_path: Path):
    path = written(tmp_path / "log", over(1), over(3, Exited(7, Effects())), over(4, SystemFailure("lost")))
    assert codes(path, 1, 2, 3, 4, 5) == [0, None, 7, None, None]
    assert codes(path, 1, 2, 3, 4, 5, failed=True) == [0, None, None, None, None]


def test_what_was_stopped_is_not_logged(tmp_path: Path):
    path = written(tmp_path / "log", over(1, Cancelled()))
    assert Path(path).read_bytes() == HEADER


def test_the_columns_are_named(tmp_path: Path):
    lines = Path(written(tmp_path / "log", over(1, Signaled(9, Effects(duration=2.5)), "a b"))).read_text().splitlines()
    row = dict(zip(COLUMNS, lines[1].split("\t"), strict=True))
    assert row.items() >= {"start": "997.500", "seconds": "2.500", "outcome": "signaled", "value": "9"}.items()
    assert row["command"] == "p 'a b'"


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_is_cut_off_and_told(tmp_path: Path, cut: int):
    path = written(tmp_path / "log", over(1), over(2))
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:-cut])
    log = JobLog(path, resume=True)
    assert log.torn
    assert "not whole" in log.describe()[0]
    assert [log.code(task(number)) for number in (1, 2)] == [0, None]
    log.add(over(2))
    log.close()
    assert Path(path).read_bytes() == whole


def test_a_torn_head_is_begun_anew(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(HEADER[:10])
    assert codes(str(path), 1) == [None]
    assert path.read_bytes() == HEADER


@pytest.mark.parametrize("damage", [b"nonsense\n", b"\0" * 50 + b"\n", b"x" * 200_000 + b"\n"])
def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path, damage: bytes):
    path = written(tmp_path / "log", over(1), over(2))
    head, first, second = Path(path).read_bytes().splitlines(keepends=True)
    Path(path).write_bytes(head + first + damage + second)
    with pytest.raises(UserError, match="line 3"):
        JobLog(path, resume=True)
    assert Path(path).read_bytes() == head + first + damage + second


def test_a_file_that_is_no_job_log_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("my thesis\n")
    for resume in (True, False):
        with pytest.raises(UserError, match=r"head of a job log|not empty"):
            JobLog(str(path), resume=resume)
    assert path.read_text() == "my thesis\n"


def test_a_log_in_use_is_refused(tmp_path: Path):
    first = JobLog(str(tmp_path / "log"), resume=True)
    with pytest.raises(UserError, match="another run is writing to the job log"):
        JobLog(str(tmp_path / "log"), resume=True)
    first.close()
    JobLog(str(tmp_path / "log"), resume=True).close()


def test_another_job_under_the_same_number_is_told_with_both_commands(tmp_path: Path):
    path = written(tmp_path / "log", over(1, None, "old"))
    log = JobLog(path, resume=True)
    with pytest.raises(SpecError, match=r"job 1 is not .* there `p old`, here `p new`"):
        log.code(task(1, "new"))
    log.close()


def test_fewer_jobs_than_before_are_told(tmp_path: Path):
    log = JobLog(written(tmp_path / "log", over(1), over(2)), resume=True)
    log.check_end(2)
    with pytest.raises(SpecError, match=r"1 job, .* has 2"):
        log.check_end(1)
    log.close()


@pytest.mark.parametrize("path", ["/dev/null", "/nowhere/log", "/tmp", ""])
def test_what_cannot_be_a_log_is_refused(path: str):
    with pytest.raises(UserError, match="job log"):
        JobLog(path, resume=True)
