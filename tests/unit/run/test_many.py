"""Runs of many jobs: order, retries, an end after so many failures, resuming, results, progress."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.job import Effects, Exited, Outcome, Output, Signaled, SystemFailure
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_run.log_file import JobLog
from maelstrom_run.many import ManyJobs, ManyOptions
from maelstrom_run.ordered import Ordered
from maelstrom_run.present import Printer, job_label, tagged
from maelstrom_run.progress import Counts, Progress, clock_time, early_end, progress_text
from maelstrom_run.results import result_line
from maelstrom_run.task import Finished, Task
from tests.unit.run.fake import FakeClient


def task(number: int, program: str = "true", *arguments: str, text: str | None = None) -> Task:
    return Task(number, JobSpec(container=ContainerSpec(), program=program, arguments=arguments), number, text)


def over(number: int, outcome: Outcome | None = None, text: str | None = None) -> Finished:
    return Finished(task(number, text=text), outcome or Exited(0, Effects()), 1000.0)


class Run:
    """A run, with all that can be seen of it."""

    def __init__(self, *, tag: bool = False, log: JobLog | None = None, **options: Any) -> None:
        self.client = FakeClient()
        self.stdout, self.stderr = io.BytesIO(), io.BytesIO()
        printer = Printer(self.stdout, self.stderr, tag=tag)
        self.jobs = ManyJobs(self.client, printer, ManyOptions(**options), self.client.turn, log=log)

    def of(self, *tasks: Task) -> int:
        return self.jobs.run(tasks)

    @property
    def errors(self) -> list[str]:
        return self.stderr.getvalue().decode().splitlines()


# order


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11)))
def test_results_come_out_in_order_none_twice_and_none_is_kept(order: list[int], skipped: set[int]):
    ordered = Ordered()
    out: list[int] = []
    for number in order:
        due: Iterable[Finished] = ordered.skip(number) if number in skipped else ordered.add(over(number))
        out += [finished.task.number for finished in due]
    assert out == [number for number in range(1, 12) if number not in skipped]
    assert (len(ordered), ordered.size) == (0, 0)


def held_first(run: Run) -> None:
    """Have the job that is held end last."""
    run.client.idle = lambda: run.client.held.pop()(Exited(0, Effects(stdout=Output(b"1"))))


def test_jobs_are_shown_in_their_order_if_that_is_asked_for():
    for keep_order, out in ((True, b"123"), (False, b"231")):
        run = Run(keep_order=keep_order)
        held_first(run)
        assert run.of(task(1, "hold"), task(2, "print", "2", ""), task(3, "print", "3", "")) == 0
        assert run.stdout.getvalue() == out


def test_what_waits_for_its_turn_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("maelstrom_run.many.HELD_BYTES", 3000)
    run = Run(keep_order=True, backlog=4)
    started: list[int] = []

    def idle() -> None:
        started.append(len(run.client.specs))
        run.client.held.pop()(Exited(0, Effects()))

    run.client.idle = idle
    run.of(task(1, "hold"), *(task(number, "print", "x" * 1000, "") for number in range(2, 100)))
    assert started[0] < 10
    assert len(run.stdout.getvalue()) == 98_000


# failures


def test_a_failed_job_is_run_again_and_only_its_last_attempt_counts():
    run = Run(retries=2)
    codes = [5, 4, 0]
    run.client.idle = lambda: run.client.held.pop()(Exited(codes.pop(0), Effects()))
    assert run.of(task(1, "hold")) == 0
    assert run.errors == []
    assert (run.jobs.counts.succeeded, run.jobs.counts.failed, run.jobs.counts.unfinished) == (1, 0, 0)


def test_attempts_come_to_an_end():
    run = Run(retries=2)
    assert run.of(task(1, "exit", "3")) == 3
    assert run.errors == ["job 1, attempt 3: exited with code 3"]
    assert len(run.client.specs) == 3


@pytest.mark.parametrize(("program", "attempts"), [("signal", 2), ("timeout", 2), ("lost", 2), ("missing", 1)])
def test_what_cannot_end_otherwise_is_not_run_again(program: str, attempts: int):
    run = Run(retries=1)
    assert run.of(task(1, program, "9")) == (3 if program == "lost" else 1)
    assert len(run.client.specs) == attempts


def test_so_many_failures_end_the_run():
    run = Run(stop_after=2, backlog=1)
    assert run.of(*(task(number, "exit", str(number)) for number in range(1, 9))) == 1
    assert run.errors == [
        "job 1: exited with code 1",
        "job 2: exited with code 2",
        "maelstrom-run: stopped after 2 failed jobs: 2 jobs done, 2 failed, 0 running",
    ]
    assert len(run.client.specs) == 2


def test_an_early_end_names_what_was_running_and_shows_what_waited_for_its_turn():
    run = Run(stop_after=1, keep_order=True)
    run.of(task(1, "hold", text="0.5"), task(2, "print", "2", ""), task(3, "exit", "4"))
    assert run.stdout.getvalue() == b"2"
    assert run.errors[-1].endswith("2 jobs done, 1 failed, 1 running: job 1 (0.5)")


# resuming


def test_jobs_of_an_earlier_run_do_not_run_but_count(tmp_path: Path):
    jobs = [task(1), task(2, "exit", "6"), task(3)]
    first = JobLog(str(tmp_path / "log"), resume=False)
    assert Run(log=first).of(*jobs[:2]) == 6
    first.close()
    log = JobLog(str(tmp_path / "log"), resume=True)
    run = Run(log=log, keep_order=True)
    assert run.of(*jobs) == 6
    assert len(run.client.specs) == 1
    assert (run.jobs.counts.known, run.jobs.counts.done) == (2, 1)
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["job", "1", "2", "3"]


def test_a_changed_list_ends_the_reading_where_it_differs(tmp_path: Path):
    first = JobLog(str(tmp_path / "log"), resume=False)
    Run(log=first).of(task(1), task(2))
    first.close()
    log = JobLog(str(tmp_path / "log"), resume=True)
    run = Run(log=log)
    assert run.of(task(1), Task(2, task(2).spec, 77), task(3)) == 2
    log.close()
    assert "job 2 is not the one" in run.errors[0]
    assert run.client.specs == []


# what is shown


@pytest.mark.parametrize(
    ("text", "tag"), [("0.5", b"0.5"), ("a\nb\tc", b"a\\nb\\tc"), (None, b"1")], ids=["text", "control", "number"]
)
def test_each_line_begins_with_the_input_or_the_number(text: str | None, tag: bytes):
    run = Run(tag=True)
    run.of(task(1, "print", "a\n\nb", "c\n", text=text))
    assert run.stdout.getvalue() == b"".join(tag + b"\t" + line for line in (b"a\n", b"\n", b"b\n"))
    assert run.stderr.getvalue() == tag + b"\tc\n"


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line), min_size=1))
def test_tags_take_nothing_away(lines: list[bytes]):
    data = b"\n".join(lines) + b"\n"
    assert tagged(data, b"t ").replace(b"\nt ", b"\n").removeprefix(b"t ") == data


def test_a_job_is_called_by_its_input_as_far_as_that_is_short():
    assert job_label(3, "a\x1b[31m" + "x" * 100) == "job 3 (a\\x1b[31m" + "x" * 50 + "…)"
    assert job_label(3, None) == "job 3"


def result(outcome: Outcome, text: str | None = None) -> dict[str, Any]:
    line = result_line(over(4, outcome, text))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_result_has_all_there_is():
    effects = Effects(Output(b"out\n"), Output(b"\xff", 3), duration=1.5, cpu_user=1.0, cpu_system=0.25, peak_memory=99)
    assert result(Exited(3, effects), "in") == {
        "version": 1,
        "job": 4,
        "input": "in",
        "digest": "0000000000000004",
        "outcome": "exited",
        "code": 3,
        "stdout": "out\n",
        "stderr_base64": "/w==",
        "stderr_lost": 3,
        "start": 998.5,
        "wall": 1.5,
        "cpu_user": 1.0,
        "cpu_system": 0.25,
        "peak_memory": 99,
        "attempts": 1,
    }


def test_results_of_other_kinds():
    assert result(Signaled(9, Effects()))["signal"] == 9
    failure = result(SystemFailure("lost", "look"))
    assert (failure["outcome"], failure["message"], failure["hint"]) == ("system-error", "lost", "look")
    assert "input" not in failure


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 3), st.integers(0, 5))
def test_a_character_that_the_limit_cut_in_two_counts_as_lost(text: str, cut: int, lost: int):
    data = text.encode()
    kept = data[: len(data) - min(cut, len(data))]
    found = result(Exited(0, Effects(stdout=Output(kept, len(data) - len(kept) + lost))))
    if len(kept) < len(data):
        assert len(found["stdout"].encode()) + found["stdout_lost"] == len(data) + lost
        assert text.startswith(found["stdout"])


@given(st.binary())
def test_output_can_be_had_back_from_its_result(data: bytes):
    found = result(Exited(0, Effects(stdout=Output(data))))
    back = found["stdout"].encode() if "stdout" in found else base64.b64decode(found["stdout_base64"])
    assert back == data


# progress


@pytest.mark.parametrize(
    ("counts", "seconds", "text"),
    [
        (Counts(), 0.0, "0 done, 0 running, 0:00"),
        (Counts(18, 2, 0, 9, 100), 10, "20/100 done, 2 failed, 4 running, 0:10, 2.0/s, 0:40 left"),
        (Counts(2, 0, 50, 1, 53), 20, "52/53 done, 1 running, 0:20, 10.0 s each, 0:10 left"),
        (Counts(succeeded=7), 7, "7 done, 0 running, 0:07, 1.0/s"),
    ],
)
def test_the_line_says_how_far_it_is(counts: Counts, seconds: float, text: str):
    assert progress_text(counts, seconds, 4) == text


def test_durations_are_written_as_clocks_do():
    assert [clock_time(seconds) for seconds in (59.9, 61, 3661, 90061)] == ["0:59", "1:01", "1:01:01", "1 d 1:01:01"]


def test_an_early_end_names_no_more_than_ten_jobs():
    text = early_end(Counts(succeeded=1, known=5), [f"job {number}" for number in range(1, 13)])
    assert text.startswith("1 job done, 5 before, 0 failed, 12 running: job 1, ")
    assert text.endswith("job 10 and 2 more")


def test_the_line_is_drawn_at_a_bounded_rate_and_goes_when_others_write():
    now = 0.0
    stream = io.StringIO()
    progress = Progress(stream, width=80, slots=2, clock=lambda: now)
    for _ in range(100):
        now += 0.01
        progress.update(Counts(total=5))
    assert stream.getvalue().count("0/5 done") <= 5
    progress.clear()
    assert stream.getvalue().endswith("\r\x1b[K")
