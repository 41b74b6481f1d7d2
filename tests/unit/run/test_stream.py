"""Runs of many jobs, from a stream of JSON: section 8 of the catalogue, behaviours MI5 and MI17."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from maelstrom_core.job import Cancelled, Effects, Exited, Output
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_run.many import BURST, ManyJobs, ManyOptions, Turn
from maelstrom_run.present import ExitCode, Printer
from maelstrom_run.stream import stream_tasks
from maelstrom_run.task import Finished, Task
from tests.unit.run.fake import FakeClient


class Run:
    """One run of a stream, with all that can be seen of it."""

    def __init__(self, **options: Any) -> None:
        self.client = FakeClient()
        self.stdout, self.stderr = io.BytesIO(), io.BytesIO()
        self.options = ManyOptions(**options)
        self.turn: Turn = self.client.turn

    def of(self, *documents: object) -> int:
        """Run documents (texts as they are), one chunk each; jobs that are held end last."""

        def end_one() -> None:
            report = self.client.held.pop()
            report(Exited(len(self.client.held) + 1, Effects(stdout=Output(b"held\n"))))

        self.client.idle = end_one
        chunks = ((item if isinstance(item, str) else json.dumps(item)).encode() for item in documents)
        return self.run(chunks)

    def run(self, chunks: Iterator[bytes]) -> int:
        printer = Printer(self.stdout, self.stderr)
        jobs = ManyJobs(self.client, printer, self.options, self.turn)
        return jobs.run(stream_tasks(chunks, self.client.add_container, digests=False))

    @property
    def errors(self) -> str:
        return self.stderr.getvalue().decode()


def job(program: str, *arguments: object, **fields: object) -> dict[str, object]:
    return {"program": program, "arguments": [str(argument) for argument in arguments], **fields}


def test_success_is_silent():
    run = Run()
    assert run.of(job("true"), job("true")) == 0
    assert run.stdout.getvalue() == run.stderr.getvalue() == b""


def test_no_jobs_are_success():
    assert Run().of() == 0


def test_output_is_printed_as_it_is():
    run = Run()
    assert run.of(job("print", "out\n", "err\n"), job("print", "more", "")) == 0
    assert run.stdout.getvalue() == b"out\nmore"
    assert run.stderr.getvalue() == b"err\n"


def test_mi5_first_failure_stays():
    code = ExitCode()
    assert code.code == 0
    for other in (0, 3, 0, 4):
        code.add(other)
    assert code.code == 3


def test_mi5_mi17_exit_code_is_the_first_failure_in_order_of_completion():
    run = Run()
    assert run.of(job("hold"), job("exit", 7), job("exit", 9)) == 7
    assert run.errors == "job 2: exited with code 7\njob 3: exited with code 9\njob 1: exited with code 1\n"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (job("signal", 9), "job 1: killed by signal 9 (SIGKILL)\n"),
        (job("signal", 63), "job 1: killed by signal 63\n"),
        (job("timeout", timeout=2), "job 1: timed out after 2.0 s\n"),
        (job("missing"), "job 1: execution error: program `missing` does not exist\n  hint: look at the layers\n"),
        (job("lost"), "job 1: system error: the worker died\n"),
        (job("cancelled"), "job 1: cancelled\n"),
        (
            job("spec-error"),
            "job 1: execution error: there is no container `x` to be a parent\n  hint: did you mean `y`?\n",
        ),
    ],
)
def test_every_failure_is_a_line_with_the_number_of_the_job(written, text):
    run = Run()
    assert run.of(written, job("true")) == (3 if "system error" in text else 1)
    assert run.errors == text


def test_lost_output_is_mentioned():
    run = Run()
    assert run.of(job("print", "abc", "de", 5)) == 0
    assert run.errors == (
        "de\n"
        "job 1: standard output was cut off after 3 bytes, 5 more were lost (see --output-limit)\n"
        "job 1: standard error was cut off after 2 bytes, 5 more were lost (see --output-limit)\n"
    )


def test_message_does_not_continue_a_line_of_the_jobs_output_on_a_terminal():
    stderr = io.BytesIO()
    printer = Printer(io.BytesIO(), stderr, terminal=True)
    spec = JobSpec(container=ContainerSpec(), program="p")
    printer.show(Finished(Task(1, spec), Exited(1, Effects(stdout=Output(b"no newline"))), 0.0))
    assert stderr.getvalue() == b"\njob 1: exited with code 1\n"


def test_sp26_containers_are_registered_for_later_jobs():
    run = Run()
    assert run.of({"containers": {"a": {"user": 1}}}, job("true", parent="a")) == 0
    assert run.client.containers == {"a": ContainerSpec(user=1)}


def test_wrong_object_ends_the_reading_but_not_the_jobs_before_it():
    run = Run()
    assert run.of(job("hold"), '\n{"progam": "x"}', job("true")) == 2
    assert run.errors == (
        "maelstrom-run: object at line 2: unknown field `progam`\n"
        "  hint: did you mean `program`?\n"
        "job 1: exited with code 1\n"
    )
    assert run.stdout.getvalue() == b"held\n"
    assert len(run.client.specs) == 1


def test_end_of_input_within_an_object_is_an_error():
    run = Run()
    assert run.of('{"program": "true"') == 2
    assert "this object has no end" in run.errors


def test_timeout_option_replaces_that_of_the_jobs():
    run = Run(timeout=5.0)
    run.of(job("true", timeout=1), job("true"))
    assert [spec.timeout for spec in run.client.specs] == [5.0, 5.0]


def test_timeout_option_of_zero_means_none():
    run = Run(timeout=0.0)
    run.of(job("true", timeout=1))
    assert run.client.specs[0].timeout is None


def test_inline_limit_is_passed_on():
    run = Run(inline_limit=17)
    run.of(job("true"))
    assert run.client.limits == [17]


def test_reading_pauses_while_too_many_jobs_are_unfinished():
    run = Run(backlog=2)
    seen: list[int] = []

    def idle() -> None:
        seen.append(len(run.client.specs))
        run.client.held.pop(0)(Exited(0, Effects()))

    run.client.idle = idle
    assert run.run(iter([json.dumps(job("hold")).encode() * 3])) == 0
    assert seen == [2, 3, 3]


def test_results_get_their_turn_while_a_large_chunk_is_read():
    run = Run()
    finished: list[int] = []
    turn = run.client.turn

    def watched(*, wait: bool) -> None:
        finished.append(len(run.client.due))
        turn(wait=wait)

    run.turn = watched
    assert run.of(json.dumps(job("true")) * (3 * BURST)) == 0
    assert finished == [BURST, BURST, BURST]


def test_an_interrupted_run_says_what_was_done_and_what_was_running_and_no_more():
    run = Run()

    def interrupt() -> None:
        raise KeyboardInterrupt

    run.client.idle = interrupt
    with pytest.raises(KeyboardInterrupt):
        run.run(iter([json.dumps(item).encode() for item in (job("true"), job("exit", 1), job("hold"))]))
    run.client.held[0](Cancelled())
    assert run.errors.splitlines() == [
        "job 2: exited with code 1",
        "maelstrom-run: 2 jobs done, 1 failed, 1 running: job 3",
    ]


class Broken(io.BytesIO):
    def write(self, _data: Any) -> int:
        raise BrokenPipeError


def test_broken_output_ends_the_stream_even_while_it_waits_for_input():
    client = FakeClient()

    def chunks() -> Iterator[bytes]:
        yield json.dumps(job("print", "a", "")).encode()
        while True:
            client.turn(wait=True)

    jobs = ManyJobs(client, Printer(Broken(), io.BytesIO()), ManyOptions(), client.turn)
    with pytest.raises(BrokenPipeError):
        jobs.run(stream_tasks(chunks(), client.add_container, digests=False))


def test_memory_of_the_number_of_jobs_is_all_that_grows():
    run = Run()
    assert run.of(json.dumps(job("true")) * 1000) == 0
    assert len(run.client.specs) == 1000
