"""maelstrom-run with many jobs, as a user types it: one command over many inputs, logs, resuming, results, progress."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE, RUN, Programs, Terminal, eventually, shell_job, sleepers, stream

MANY = 200


def logged(path: Path) -> list[dict[str, str]]:
    """Return the rows of a job log."""
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_a_command_over_many_inputs(programs: Programs, project: Path):
    inputs = "".join(f"{number}\n" for number in range(1, MANY + 1)).encode()
    script = 'test "$MAELSTROM_INPUT" = "$1" && echo "$1 $MAELSTROM_JOB"'
    command = ("--map", "--keep-order", "--", "sh", "-c", script, "sh", "{}")
    done = programs.run(RUN, *command, cwd=project, stdin=inputs).check(0)
    assert done.out == "".join(f"{number} {number}\n" for number in range(1, MANY + 1))
    assert done.err == ""


def test_the_example_of_the_readme(programs: Programs, project: Path):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (line,) = [line.strip() for line in readme.splitlines() if "maelstrom-run --map --range" in line]
    _, *arguments = shlex.split(line)
    (project / "simulate.py").write_text("import random, sys\nrandom.seed(int(sys.argv[1]))\nprint(random.random())\n")
    done = programs.run(RUN, *arguments, cwd=project).check(0)
    assert len(set(done.out.splitlines())) == 100
    assert len((project / "log").read_text().splitlines()) == 1 + 100
    assert done.err == ""


def test_the_container_of_a_job_for_many_inputs(programs: Programs, project: Path):
    """Its environment is its own, but for the two variables; one of these that it has itself gives way."""
    (project / "job.json").write_text(json.dumps(shell_job("", environment={"A": "1", "MAELSTROM_JOB": "x"})))
    options = ("--map", "--range", "1..20", "--file", "job.json", "--slots", "1", "-k")
    done = programs.run(RUN, *options, "--", "/usr/bin/env", "INPUT={}", cwd=project).check(0)
    blocks = [set(done.out.splitlines()[start : start + 4]) for start in range(0, 80, 4)]
    assert blocks == [{"A=1", f"MAELSTROM_JOB={n}", f"MAELSTROM_INPUT={n}", f"INPUT={n}"} for n in range(1, 21)]


def test_inputs_are_read_only_as_slots_get_free(programs: Programs, project: Path):
    """The rest stays in the pipe: whoever writes has to wait."""
    with programs.start(RUN, "--map", "--slots", "2", "--", "sh", "-c", "sleep 54321", cwd=project) as process:
        assert process.stdin is not None
        pipe = process.stdin.fileno()
        os.set_blocking(pipe, False)
        written: list[int] = []
        assert eventually(lambda: written.append(fill(pipe)) or len(sleepers(process.pid, "54321")) == 2)
        written.append(fill(pipe))
        assert sum(written) <= 4 * 65536  # what it has read at once, and what is in the pipe
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130


def fill(pipe: int) -> int:
    """Write as many short inputs as a pipe takes; return how many bytes that were."""
    total = 0
    try:
        while True:
            total += os.write(pipe, b"x\n" * 2048)
    except BlockingIOError:
        return total


def test_a_wrong_input_ends_the_reading_but_not_the_jobs_before_it(programs: Programs, project: Path):
    done = programs.run(RUN, "--map", "echo", cwd=project, stdin=b"a\n\xff\nb\n").check(2)
    assert done.out == "a\n"
    assert "line 2" in done.single_message


def test_mi17_the_first_failure_is_the_exit_code_and_each_has_its_input(programs: Programs, project: Path):
    done = programs.run(
        RUN, "--map", "--slots", "1", "--", "sh", "-c", "exit {}", cwd=project, stdin=b"0\n3\n4\n"
    ).check(3)
    assert done.err == "job 2 (3): exited with code 3\njob 3 (4): exited with code 4\n"


def test_tags(programs: Programs, project: Path):
    done = programs.run(RUN, "--map", "--tag", "--", "printf", "a\\nb", cwd=project, stdin=b"x\n").check(0)
    assert done.out == "x\ta\nx\tb\n"


def test_a_job_that_fails_at_first(programs: Programs, project: Path):
    """Each attempt has a container of its own: what counts them is on the host."""
    mounts = [{"type": "bind", "mount_point": "/mnt", "local_path": "."}]
    script = "echo x >> /mnt/count; test $(wc -l < /mnt/count) = 3"
    (project / "job.json").write_text(json.dumps(shell_job(script, mounts=mounts)))
    options = ("--file", "job.json", "--retries", "5", "--joblog", "log")
    programs.run(RUN, *options, cwd=project).check(0)
    assert [(row["outcome"], row["attempts"]) for row in logged(project / "log")] == [("exited", "3")]


def test_failures_end_the_run_and_what_runs_with_it(programs: Programs, project: Path):
    script = "if test {} = 1; then exec sleep 43210; fi; exit 5"
    options = ("--map", "--range", "1..50", "--slots", "2", "--stop-after", "3", "--joblog", "log")
    done = programs.run(RUN, *options, "--", "sh", "-c", script, cwd=project).check(5)
    last = done.err.splitlines()[-1]
    assert last.startswith("maelstrom-run: stopped after 3 failed jobs: 3 jobs done, 3 failed, ")
    assert "running: job 1 (1)" in last
    assert [row["value"] for row in logged(project / "log")] == ["5"] * 3


def test_a_run_that_is_killed_goes_on_where_it_ended(programs: Programs, project: Path):
    """Whatever was running; in the log each job has ended exactly once."""
    log = project / "log"
    options = ("--map", "--range", f"1..{MANY}", "--joblog", "log", "--resume", "--results", "results")
    command = (*options, "--", "sh", "-c", "echo {}")
    for enough in (30, 90):
        with programs.start(RUN, *command, cwd=project) as process:
            assert eventually(lambda: log.exists() and log.read_bytes().count(b"\n") > enough)  # noqa: B023
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        assert log.read_bytes().count(b"\n") <= MANY
    with log.open("ab") as stream:
        stream.write(b"77\t12345.678\t0.0")  # as if the machine had failed
    done = programs.run(RUN, *command, cwd=project).check(0)
    assert "not whole" in done.err
    assert sorted(int(row["job"]) for row in logged(log)) == list(range(1, MANY + 1))
    results = [json.loads(line) for line in (project / "results").read_text().splitlines()]
    assert {result["job"]: result["stdout"] for result in results} == {n: f"{n}\n" for n in range(1, MANY + 1)}
    done = programs.run(RUN, *command, cwd=project).check(0)
    assert len(logged(log)) == MANY


def test_failed_jobs_run_again_if_that_is_asked_for(programs: Programs, project: Path):
    data = project / "data"
    data.mkdir()
    mounts = [{"type": "bind", "mount_point": "/mnt", "local_path": "data"}]
    (project / "job.json").write_text(json.dumps(shell_job("test -e /mnt/mended || test {} != 2", mounts=mounts)))
    options = ("--map", "--range", "1..3", "--file", "job.json", "--joblog", "log")
    programs.run(RUN, *options, cwd=project).check(1)
    (data / "mended").touch()
    done = programs.run(RUN, *options, "--resume", cwd=project).check(1)
    assert "1 failed (--resume-failed runs them again)" in done.err
    assert len(logged(project / "log")) == 3
    programs.run(RUN, *options, "--resume-failed", cwd=project).check(0)
    programs.run(RUN, *options, "--resume", cwd=project).check(0)
    assert [row["job"] for row in logged(project / "log")][3:] == ["2"]


def test_two_runs_on_one_log(programs: Programs, project: Path):
    options = ("--map", "--range", "1..1", "--joblog", "log", "--resume", "--", "sh", "-c")
    with programs.start(RUN, *options, "sleep 32109", cwd=project) as first:
        assert eventually(lambda: sleepers(first.pid, "32109"))
        done = programs.run(RUN, *options, "true", cwd=project).check(2)
        assert "another run is writing to the job log log" in done.single_message
        first.send_signal(signal.SIGINT)
        assert first.wait(PATIENCE) == 130
    assert logged(project / "log") == []


def test_a_log_on_a_full_disk_ends_the_run_with_a_message(programs: Programs, project: Path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    done = programs.run(RUN, "--map", "--range", "1..3", "--results", "/dev/full", "true", cwd=project).check(3)
    assert "failed to write to the file of results /dev/full: No space left" in done.single_message


def test_jobs_of_a_file_with_results(programs: Programs, project: Path):
    jobs = [shell_job(f"echo {number}; exit {number % 2}") for number in range(20)]
    (project / "jobs").write_bytes(stream(*jobs))
    done = programs.run(RUN, "--jobs", "jobs", cwd=project).check(1)
    results = [json.loads(line) for line in done.out.splitlines()]
    assert {result["job"] for result in results} == set(range(1, 21))
    assert all(result["stdout"] == f"{result['job'] - 1}\n" for result in results)
    assert all(0 < result["wall"] < PATIENCE for result in results)
    assert done.err.count("exited with code 1") == 10


# on a terminal


def test_progress_is_shown_on_a_terminal_and_leaves_nothing(programs: Programs, project: Path):
    options = (
        "--map",
        "--range",
        "1..4",
        "--slots",
        "2",
        "-k",
        "--",
        "sh",
        "-c",
        "sleep 0.4; echo {}; exit $(({} / 4))",
    )
    with Terminal(programs, RUN, *options, cwd=project) as terminal:
        assert terminal.wait() == 1
    assert "/4 done, " in terminal.text
    assert [line for line in terminal.screen if line] == ["1", "2", "3", "4", "job 4 (4): exited with code 1"]


@pytest.mark.parametrize(
    ("options", "environment"),
    [(("--no-progress",), {}), ((), {"TERM": "dumb"}), ((), {"MAELSTROM_PROGRESS": "false"})],
)
def test_progress_can_be_switched_off(
    programs: Programs, project: Path, options: tuple[str, ...], environment: dict[str, str]
):
    command = (*options, "--map", "--range", "1..2", "--", "sleep", "0.3")
    with Terminal(programs, RUN, *command, cwd=project, env=environment) as terminal:
        assert terminal.wait() == 0
    assert terminal.text == ""


def test_interruption_on_a_terminal_says_what_was_done_and_what_was_running(programs: Programs, project: Path):
    script = "test {} = 1 || exec sleep 21098"
    options = ("--map", "--range", "1..9", "--slots", "2", "--", "sh", "-c", script)
    with Terminal(programs, RUN, *options, cwd=project) as terminal:
        assert eventually(lambda: terminal.read() and len(sleepers(terminal.process.pid, "21098")) == 2)
        terminal.type("\x03")
        assert terminal.wait() == 130
    assert [line for line in terminal.screen if line][-2:] == [
        "maelstrom-run: 1 job done, 0 failed, 2 running: job 2 (2), job 3 (3)",
        "maelstrom-run: interrupted",
    ]
