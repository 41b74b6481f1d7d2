"""Limits of jobs as a user sets them, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cgroups import delegated_group, in_group
from tests.support.programs import PYTEST, RUN, Programs, shell_job, stream, write_project

LACKING = "memory is limited for each process by itself, not for the job: "
GREEDY = "import sys; b = bytearray(int(sys.argv[1]) << 20); print(len(b) >> 20)"


def test_what_cannot_be_limited_as_a_whole_is_said_once(programs: Programs, project: Path) -> None:
    """The tests are not alone in their cgroup, or have none with controllers."""
    jobs = [shell_job("ulimit -d", limits={"memory": 64 << 20}) for _ in range(3)]
    done = programs.run(RUN, "--results", "r", cwd=project, stdin=stream(*jobs)).check(0)
    assert done.err.count(LACKING) == 1
    assert "hint: `maelstrom-run --doctor`" in done.err
    results = [json.loads(line) for line in (project / "r").read_text().splitlines()]
    assert [result["stdout"] for result in results] == [f"{64 << 10}\n"] * 3
    assert all(result["lacking_limits"].startswith(LACKING) for result in results)
    assert not any(result["out_of_memory"] for result in results)


def test_options_limit_a_command_and_each_of_many(programs: Programs, project: Path) -> None:
    done = programs.run(RUN, "--memory", "64MiB", "--", "sh", "-c", "ulimit -d", cwd=project).check(0)
    assert done.out == f"{64 << 10}\n"
    options = ("--map", "--range", "1..2", "--memory", "32 MiB")
    done = programs.run(RUN, *options, "--", "sh", "-c", "ulimit -d", cwd=project).check(0)
    assert done.out == f"{32 << 10}\n" * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--memory", "1000", "--", "true"), "limits.memory: 1000 is out of range"),
        (("--memory", "much", "--", "true"), "--memory: `much` is not a size"),
        (("--cpu-weight", "0", "--", "true"), "limits.cpu_weight: 0 is out of range"),
        (("--processes", "5", "--jobs", "x"), "in a stream each job says itself what it may use"),
    ],
)
def test_limits_that_cannot_be_are_usage(
    programs: Programs, project: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in programs.run(RUN, *arguments, cwd=project).check(2).err


@pytest.mark.cgroup2
def test_a_command_that_takes_too_much_is_told_so(programs: Programs, project: Path) -> None:
    with delegated_group() as group:
        alone = replace(programs, prefix=in_group(group))
        command = ("--", "/usr/bin/python3", "-c", GREEDY)
        done = alone.run(RUN, "--memory", "64MiB", *command, "16", cwd=project).check(0)
        assert (done.out, done.err) == ("16\n", "")
        done = alone.run(RUN, "--memory", "64MiB", *command, "128", cwd=project).check(-9)
        assert done.err == "maelstrom-run: killed: it used more than its 64 MiB of memory\n"


@pytest.mark.cgroup2
def test_results_tell_who_took_too_much(programs: Programs, project: Path) -> None:
    jobs = [
        shell_job("yes | head -c 100M > /tmp/x", limits={"memory": 64 << 20}, priority=1),
        shell_job("for i in 1 2 3 4 5 6; do sleep 0 & done; wait; true", limits={"processes": 4}),
    ]
    with delegated_group() as group:
        alone = replace(programs, prefix=in_group(group))
        done = alone.run(RUN, "--results", "r", "--keep-order", cwd=project, stdin=stream(*jobs))
    first, second = [json.loads(line) for line in (project / "r").read_text().splitlines()]
    assert done.code != 0, (project / "r").read_text()  # that of whichever ended first
    assert "job 1: killed: it used more than its 64 MiB of memory" in done.err
    assert (first["outcome"], first["signal"], first["out_of_memory"]) == ("signaled", 9, True)
    assert first["peak_memory"] <= 64 << 20
    assert first["lacking_limits"] is None
    assert second["refused_processes"] >= 1


@pytest.mark.cgroup2
def test_a_test_that_takes_too_much_fails_and_says_why(programs: Programs, project: Path) -> None:
    tests = "def test_greedy():\n    bytearray(300 << 20)\n\ndef test_modest():\n    bytearray(1 << 20)\n"
    write_project(project, {"test_memory.py": tests})
    with delegated_group() as group:
        alone = replace(programs, prefix=in_group(group))
        done = alone.run(PYTEST, "--memory", "200MiB", cwd=project).check(1)
    text = done.out + done.err
    assert "killed: it used more than its 200 MiB of memory" in text
    assert "forks of templates have no cgroup of their own" in text
    assert "1 passed" in text or "test_modest" in text
