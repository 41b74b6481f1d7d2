"""Streams in which a job's layer is what an earlier job captures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.programs import HOST, Programs, shell_job

BASE = {"stubs": ["/data/old"]}
WRITABLE = {"enable_writable_file_system": True, "layers": [HOST, BASE]}
USING = {"layers": [HOST, BASE, {"tar": "x.tar"}]}


def capturing(script: str, **fields: object) -> dict[str, object]:
    return shell_job(script, **{**WRITABLE, "capture": "x.tar", **fields})


def test_a_job_waits_for_the_layer_that_an_earlier_one_makes(programs: Programs, project: Path):
    first = capturing("sleep 0.3; echo one > /data/new")
    jobs = [first, shell_job("cat /data/new", **USING), shell_job("echo not waiting"), shell_job("ls /data", **USING)]
    done = programs.jobs(*jobs, cwd=project, options=("--keep-order", "--slots", "3")).check(0)
    assert done.out == "one\nnot waiting\nnew\nold\n"


def test_with_one_slot_nobody_waits_for_ever(programs: Programs, project: Path):
    jobs = [capturing("echo one > /data/new"), shell_job("cat /data/new", **USING)]
    assert programs.jobs(*jobs, cwd=project, options=("--slots", "1")).check(0).out == "one\n"


def test_each_job_of_a_chain_sees_what_those_before_it_have_made(programs: Programs, project: Path):
    """The file is written again and again, by jobs that have it as a layer."""
    chain = [capturing("echo 1 > /data/log")]
    for number in range(2, 5):
        chain += [shell_job("cat /data/log", **USING)]
        chain += [capturing(f"echo {number} >> /data/log", layers=USING["layers"])]
    done = programs.jobs(*chain, shell_job("cat /data/log", **USING), cwd=project, options=("--keep-order",)).check(0)
    assert done.out == "1\n" + "1\n2\n" + "1\n2\n3\n" + "1\n2\n3\n4\n"


def test_a_layer_of_a_container_that_has_a_name_which_means_something_else_later(programs: Programs, project: Path):
    container = {"layers": [HOST, {"tar": "x.tar"}], "environment": {"PATH": "/usr/bin:/bin"}}
    named, other = {"containers": {"it": container}}, {"containers": {"it": {**container, "layers": [HOST]}}}
    using = {"parent": "it", "program": "sh", "arguments": ["-c", "cat /data/new || echo none"]}
    jobs = [capturing("sleep 0.2; echo one > /data/new"), named, using, other, using]
    assert programs.jobs(*jobs, cwd=project, options=("--keep-order",)).check(0).out == "one\nnone\n"


@pytest.mark.parametrize("script", ["exit 3", "touch /data/.wh.x"])
def test_when_it_is_not_written_who_waits_does_not_run(programs: Programs, project: Path, script: str):
    """Not even where there is an older one."""
    programs.jobs(capturing("echo old > /data/new"), cwd=project).check(0)
    jobs = [capturing(script), shell_job("cat /data/new", **USING)]
    done = programs.jobs(*jobs, cwd=project)
    assert done.code
    assert done.out == ""
    assert f"job 2: execution error: its layer {project / 'x.tar'} was not written, as the job that was to" in done.err


def test_a_stream_that_stops_early_ends(programs: Programs, project: Path):
    jobs = [capturing("sleep 1000"), shell_job("cat /data/new", **USING), shell_job("exit 7")]
    done = programs.jobs(*jobs, cwd=project, options=("--stop-after", "1", "--slots", "2")).check(7)
    assert "1 running: job 1" in done.err


def test_results_tell_it_as_any_other_error(programs: Programs, project: Path):
    jobs = [capturing("exit 3"), shell_job("true", **USING)]
    done = programs.jobs(*jobs, cwd=project, options=("--results", "-")).check(3)
    assert [json.loads(line)["outcome"] for line in done.out.splitlines()] == ["exited", "execution-error"]
