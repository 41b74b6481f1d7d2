"""maelstrom-run as a user types it: a command, a stream of jobs, one job; what is printed and how it ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.programs import HOST, PATIENCE, RUN, Programs, alive, eventually, job, shell_job, sleepers, stream

# a command


def test_a_command_runs_here_with_our_directory_and_environment(programs: Programs, project: Path):
    (project / "file").write_text("contents\n")
    script = 'pwd; cat file; echo "$COLOUR"'
    done = programs.run(RUN, "--", "sh", "-c", script, cwd=project, env={"COLOUR": "a $HOME of one's own"}).check(0)
    assert done.out == f"{project}\ncontents\na $HOME of one's own\n"
    assert done.err == ""


def test_what_a_command_writes_is_gone_with_it(programs: Programs, project: Path):
    programs.run(RUN, "--", "sh", "-c", "echo x > file; echo y > /usr/file; cat file", cwd=project).check(0)
    assert list(project.iterdir()) == []
    assert not Path("/usr/file").exists()


@pytest.mark.parametrize("way", ["option", "variable", "file"])
def test_a_cache_may_be_named_by_a_relative_path(programs: Programs, project: Path, way: str):
    """Those who use the cache live in other directories than the program."""
    (project / "config.toml").write_text('cache-root = "cache"\n')
    options = {"option": ("--cache-root", "cache"), "variable": (), "file": ("--config-file", "config.toml")}[way]
    env = {"MAELSTROM_CACHE_ROOT": "cache"} if way == "variable" else {}
    done = programs.run(RUN, *options, "--", "echo", "there", cwd=project, env=env).check(0)
    assert done.out == "there\n"
    assert next((project / "cache").rglob("CACHEDIR.TAG"), None)


def test_options_after_the_command_are_its_own(programs: Programs, project: Path):
    assert programs.run(RUN, "echo", "--one", "-f", cwd=project).check(0).out == "--one -f\n"


@pytest.mark.parametrize("code", [0, 1, 3, 130, 255])
def test_a_command_passes_its_exit_code_on(programs: Programs, project: Path, code: int):
    done = programs.run(RUN, "--", "sh", "-c", f"echo out; echo err >&2; exit {code}", cwd=project).check(code)
    assert (done.out, done.err) == ("out\n", "err\n")


def test_a_command_that_a_fault_kills(programs: Programs, project: Path):
    """EX3: signals that the first process sends itself are dropped, those of faults are not."""
    perl = 'print "before\\n"; $| = 1; print ""; unpack("p", pack("J", 1))'
    done = programs.run(RUN, "--", "perl", "-e", perl, cwd=project)
    assert done.code == -signal.SIGSEGV
    assert done.out == "before\n"


def test_the_first_process_is_immune_to_its_own_signals(programs: Programs, project: Path):
    """docs/decisions/first-process.md."""
    done = programs.run(RUN, "--", "sh", "-c", "kill -TERM $$; echo still here", cwd=project)
    assert done.check(0).out == "still here\n"
    done = programs.run(RUN, "--", "sh", "-c", 'sh -c "kill -TERM \\$\\$"; echo $?', cwd=project)
    assert "143" in done.check(0).out


def test_a_job_that_is_killed_from_outside(programs: Programs, project: Path):
    with programs.start(RUN, "--", "sleep", "98765", cwd=project) as process:
        assert eventually(lambda: sleepers(process.pid, "98765"))
        (sleeper,) = sleepers(process.pid, "98765")
        os.kill(sleeper, signal.SIGKILL)
        assert process.communicate(timeout=PATIENCE) == (b"", b"")
        assert process.returncode == -signal.SIGKILL


def test_ex69_a_command_that_runs_into_its_timeout(programs: Programs, project: Path):
    done = programs.run(RUN, "--timeout", "1", "--", "sh", "-c", "echo before; sleep 1000", cwd=project).check(1)
    assert done.out == "before\n"
    assert "timed out after 1." in done.single_message


def test_output_beyond_the_limit_is_counted(programs: Programs, project: Path):
    """EX5, EX9."""
    script = "printf 0123456789; printf abc >&2"
    done = programs.run(RUN, "--output-limit", "4", "--", "sh", "-c", script, cwd=project).check(0)
    assert done.out == "0123"
    assert done.err.splitlines()[0] == "abc"
    assert "standard output was cut off after 4 bytes, 6 more were lost" in done.err


def test_a_hundred_megabytes_of_output(programs: Programs, project: Path):
    done = programs.run(
        RUN, "--output-limit", "1MB", "--", "sh", "-c", "head -c 100000000 /dev/zero; echo end >&2", cwd=project
    ).check(0)
    assert len(done.out) == 1_000_000
    assert "99000000 more were lost" in done.err


def test_output_that_is_no_text_arrives_as_it_is(programs: Programs, project: Path):
    with programs.start(RUN, "--", "printf", "\\377\\000\\r\\n", cwd=project) as process:
        assert process.communicate() == (b"\xff\x00\r\n", b"")


def test_ex70_children_that_keep_the_output_open_keep_nothing_waiting(programs: Programs, project: Path):
    assert programs.run(RUN, "--", "sh", "-c", "sleep 1000 & echo done", cwd=project).check(0).out == "done\n"


# a stream of jobs


def test_an_empty_stream(programs: Programs, project: Path):
    done = programs.jobs(cwd=project).check(0)
    assert (done.out, done.err) == ("", "")


def test_mi17_each_job_is_reported_and_the_first_failure_is_the_exit_code(programs: Programs, project: Path):
    jobs = [shell_job("echo one"), shell_job("echo two; echo three >&2; exit 7"), shell_job("exit 9")]
    done = programs.jobs(*jobs, cwd=project, options=("--slots", "1")).check(7)
    assert done.out == "one\ntwo\n"
    assert done.err == "three\njob 2: exited with code 7\njob 3: exited with code 9\n"


def test_containers_are_named_in_the_stream(programs: Programs, project: Path):
    base = {"layers": [HOST], "environment": {"PATH": "/usr/bin:/bin", "WHO": "base"}}
    containers = {"containers": {"base": base, "derived": {"parent": "base", "added_environment": {"WHO": "derived"}}}}
    script = {"program": "sh", "arguments": ["-c", "echo $WHO"]}
    done = programs.jobs(containers, {**script, "parent": "base"}, {**script, "parent": "derived"}, cwd=project)
    assert sorted(done.check(0).out.splitlines()) == ["base", "derived"]


def test_a_parent_that_nobody_named(programs: Programs, project: Path):
    done = programs.jobs({"program": "true", "parent": "nobody"}, shell_job("echo second"), cwd=project).check(1)
    assert "job 1" in done.single_message
    assert "nobody" in done.err
    assert done.out == "second\n"


def test_limits_are_inherited_like_everything_else(programs: Programs, project: Path):
    containers = {"containers": {"small": {"layers": [HOST], "limits": {"open_files": 64, "core_size": 0}}}}
    script = {"program": "/bin/sh", "arguments": ["-c", "echo $(ulimit -n) $(ulimit -c)"], "parent": "small"}
    own = {**script, "limits": {"open_files": 65}}
    done = programs.jobs(containers, script, own, cwd=project, options=("--slots", "1")).check(0)
    first, second = done.out.splitlines()
    assert first == "64 0"
    assert second.startswith("65 ")


def test_jobs_come_from_a_file(programs: Programs, project: Path):
    (project / "jobs.json").write_text(json.dumps(shell_job("echo from a file")))
    assert programs.run(RUN, "--file", "jobs.json", cwd=project).check(0).out == "from a file\n"


def test_output_of_jobs_that_run_at_once_is_not_mixed(programs: Programs, project: Path):
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo {0}; echo {0} >&2; done"
    done = programs.jobs(
        *(shell_job(script.format(number)) for number in range(12)), cwd=project, options=("--slots", "4")
    )
    for text in (done.check(0).out, done.err):
        lines = text.splitlines()
        blocks = [set(lines[start : start + 9]) for start in range(0, len(lines), 9)]
        assert sorted(next(iter(block)) for block in blocks) == sorted(map(str, range(12)))
        assert all(len(block) == 1 for block in blocks)


def test_a_job_is_shown_before_the_stream_ends(programs: Programs, project: Path):
    with programs.start(RUN, cwd=project) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(shell_job("echo first")).encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"first\n"
        process.stdin.close()
        assert process.wait() == 0


def test_relative_paths_start_where_the_program_was_called(programs: Programs, project: Path):
    """EX53, EX51."""
    (project / "data").mkdir()
    (project / "data" / "in").write_text("read\n")
    mounts = [{"type": "bind", "mount_point": "/mnt", "local_path": "data"}]
    done = programs.jobs(shell_job("cat /mnt/in; echo written > /mnt/out", mounts=mounts), cwd=project).check(0)
    assert done.out == "read\n"
    assert (project / "data" / "out").read_text() == "written\n"


def test_interruption_ends_the_jobs(programs: Programs, project: Path):
    with programs.start(RUN, cwd=project) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(job("sleep", "87654")).encode())
        process.stdin.flush()
        assert eventually(lambda: sleepers(process.pid, "87654"))
        below = sleepers(process.pid, "87654")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read().splitlines() == [
            b"maelstrom-run: 0 jobs done, 0 failed, 1 running: job 1",
            b"maelstrom-run: interrupted",
        ]
        assert not any(alive(pid) for pid in below)


def test_two_runs_at_once_share_a_cache(programs: Programs, project: Path):
    """The second does not wait for the first, nor fail."""
    with programs.start(RUN, "--", "sh", "-c", "sleep 76543", cwd=project) as first:
        assert eventually(lambda: sleepers(first.pid, "76543"))
        assert programs.run(RUN, "--", "echo", "second", cwd=project).check(0).out == "second\n"
        first.terminate()
        first.wait()


def test_a_job_of_all_slots_waits_until_it_has_them_and_keeps_no_other_waiting(programs: Programs, project: Path):
    os.mkfifo(project / "pipe")
    shared = {"mounts": [{"type": "bind", "mount_point": "/shared", "local_path": "."}]}
    specs = [
        shell_job("read word < /shared/pipe; echo first >> /shared/order", **shared),
        shell_job("echo wide >> /shared/order", slots=2, **shared),
        shell_job("[ ! -e /shared/order ] && echo go > /shared/pipe", **shared),
    ]
    programs.jobs(*specs, cwd=project, options=("--slots", "2")).check(0)
    assert (project / "order").read_text() == "first\nwide\n"


def test_a_job_of_more_slots_than_there_are(programs: Programs, project: Path):
    options = ("--slots", "2")
    done = programs.jobs(shell_job("echo before"), shell_job("true", slots=3), cwd=project, options=options).check(1)
    assert done.out == "before\n"
    assert "job 2: execution error: failed to start a job of 3 slots: there are 2" in done.single_message
    done = programs.run(RUN, "--one", *options, cwd=project, stdin=stream(shell_job("true", slots=3))).check(2)
    assert "failed to start a job of 3 slots: there are 2" in done.single_message


# one job


def test_one_ends_as_its_job_and_reads_no_further(programs: Programs, project: Path):
    done = programs.jobs(shell_job("echo one; exit 5"), "not json", cwd=project, options=("--one",)).check(5)
    assert (done.out, done.err) == ("one\n", "")


def test_one_takes_its_program_from_the_command_line(programs: Programs, project: Path):
    (project / "job.json").write_text(json.dumps(shell_job("echo not this")))
    done = programs.run(RUN, "--one", "--file", "job.json", "echo", "but this", cwd=project).check(0)
    assert done.out == "but this\n"


def test_one_without_a_job(programs: Programs, project: Path):
    assert "no job was given" in programs.jobs(cwd=project, options=("--one",)).check(2).single_message


def test_ex14_a_job_is_the_first_process(programs: Programs, project: Path):
    script = "read pid comm state ppid pgrp session rest < /proc/self/stat; echo $$ $ppid $pgrp $session"
    done = programs.jobs(shell_job(script), cwd=project).check(0)
    assert done.out == "1 0 1 1\n"


def test_ex12_nothing_of_our_environment_is_inherited(programs: Programs, project: Path):
    done = programs.jobs(job("/usr/bin/env", environment={"FOO": "3"}), cwd=project).check(0)
    assert done.out == "FOO=3\n"
