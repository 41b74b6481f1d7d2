"""maelstrom-run --out and --capture as a user types them, and the fields of jobs that say the same."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from pathlib import Path

import pytest

from tests.support.programs import HOST, PATIENCE, RUN, Programs, eventually, shell_job, sleepers, stream


def contents(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def nothing_is_kept(programs: Programs) -> bool:
    """Tell whether the cache holds no place of a job any more."""
    layers = programs.cache / "layers"
    return not os.listdir(layers / "tmp") and not os.listdir(layers / "removing")


def test_a_command_brings_back_what_it_writes_here(programs: Programs, project: Path):
    (project / "input").write_text("1\n")
    (project / "untouched").write_text("2\n")
    script = "mkdir deep; cat input > deep/result; echo more >> input; rm untouched"
    done = programs.run(RUN, "--out", "new/results", "--", "sh", "-c", script, cwd=project).check(0)
    assert done.err == ""
    assert contents(project / "new/results") == {"deep/result": "1\n", "input": "1\nmore\n"}
    assert contents(project)["input"] == "1\n"
    assert nothing_is_kept(programs)


def test_an_existing_file_is_replaced_and_others_stay(programs: Programs, project: Path):
    results = project / "results"
    results.mkdir()
    (results / "a").write_text("old")
    (results / "b").write_text("kept")
    programs.run(RUN, "--out", "results", "--", "sh", "-c", "printf new > a", cwd=project).check(0)
    assert contents(results) == {"a": "new", "b": "kept"}


def test_another_directory_of_the_container(programs: Programs, project: Path):
    script = "mkdir -p /srv/data; echo x > /srv/data/x; echo y > y"
    done = programs.run(RUN, "--out", "out", "--out-from", "/srv", "--", "sh", "-c", script, cwd=project)
    done.check(0)
    assert contents(project / "out") == {"data/x": "x\n"}


def test_files_of_a_job_that_fails_are_brought_back_too(programs: Programs, project: Path):
    programs.run(RUN, "--out", "out", "--", "sh", "-c", "echo x > log; exit 7", cwd=project).check(7)
    assert contents(project / "out") == {"log": "x\n"}


def test_files_of_a_job_that_ran_out_of_time_are_brought_back_too(programs: Programs, project: Path):
    arguments = ("--timeout", "1", "--out", "out", "--", "sh", "-c", "echo x > log; sleep 1000")
    assert "timed out" in programs.run(RUN, *arguments, cwd=project).check(1).err
    assert contents(project / "out") == {"log": "x\n"}


def test_what_goes_with_the_job_cannot_be_brought_back(programs: Programs, project: Path):
    done = programs.run(RUN, "--out", "out", "--out-from", "/run/x", "--", "true", cwd=project).check(2)
    assert "what is mounted at /run goes with the job" in done.single_message


def test_a_read_only_root_is_said(programs: Programs, project: Path):
    done = programs.jobs(shell_job("true", out="out"), cwd=project).check(1)
    assert "read-only" in done.err
    assert "enable_writable_file_system" in done.err
    assert not (project / "out").exists()


def test_what_is_in_the_way_is_said_and_fails_the_program(programs: Programs, project: Path):
    (project / "out").write_text("a file")
    done = programs.run(RUN, "--out", "out", "--", "sh", "-c", "echo shown; echo x > x", cwd=project).check(1)
    assert done.out == "shown\n"
    assert "failed to bring back the files of the job" in done.err
    assert (project / "out").read_text() == "a file"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "x"), "in a stream each job says itself"),
        (("--out-from", "x", "--", "true"), "--out-from takes --out"),
        (("--out", "", "--", "true"), "not empty"),
    ],
)
def test_options_that_make_no_sense(programs: Programs, project: Path, arguments: tuple[str, ...], message: str):
    assert message in programs.run(RUN, *arguments, cwd=project).check(2).err


def test_pr10_jobs_of_a_stream_say_it_themselves(programs: Programs, project: Path):
    writable = {"enable_writable_file_system": True, "working_directory": "/w", "layers": [HOST, {"stubs": ["/w/"]}]}
    jobs = [shell_job(f"echo {n} > {n}", out="together", **writable) for n in range(5)]
    other = shell_job("mkdir -p a/b; echo x > a/b/x", out={"directory": "other", "path": "a"}, **writable)
    programs.jobs(*jobs, other, cwd=project).check(0)
    assert contents(project / "together") == {str(n): f"{n}\n" for n in range(5)}
    assert contents(project / "other") == {"b/x": "x\n"}
    assert nothing_is_kept(programs)


def test_a_captured_archive_is_a_layer_of_the_next_job(programs: Programs, project: Path):
    base = {"stubs": ["/data/old"]}
    writable = {"enable_writable_file_system": True, "layers": [HOST, base]}
    first = shell_job("echo x > /data/new; rm -f /data/old", capture="changes.tar", **writable)
    programs.jobs(first, cwd=project).check(0)
    later = shell_job("ls /data; cat /data/new", layers=[HOST, base, {"tar": "changes.tar"}])
    assert programs.jobs(later, cwd=project).check(0).out == "new\nx\n"


def test_no_archive_is_written_of_a_job_that_fails(programs: Programs, project: Path):
    script = "echo x > /x; exit 3"
    done = programs.run(RUN, "--capture", "x.tar", "--", "sh", "-c", script, cwd=project).check(3)
    assert "x.tar is not written, as the job failed" in done.err
    assert list(project.iterdir()) == []


def test_an_archive_stays_as_it_was_until_there_is_a_new_one(programs: Programs, project: Path):
    archive = project / "x.tar"
    archive.write_bytes(b"old")
    done = programs.run(RUN, "--capture", "x.tar", "--", "sh", "-c", "touch /.wh.x", cwd=project).check(1)
    assert "such names mean something else in a layer" in done.err
    assert archive.read_bytes() == b"old"
    assert list(project.iterdir()) == [archive]
    programs.run(RUN, "--capture", "x.tar", "--", "touch", "/y", cwd=project).check(0)
    with tarfile.open(archive) as opened:
        assert opened.getnames() == ["y"]


def test_a_program_that_is_killed_leaves_nothing_that_the_next_one_does_not_remove(programs: Programs, project: Path):
    script = "echo x > x; echo x > /x; touch /dev/null; sleep 1000"
    with programs.start(RUN, "--capture", "x.tar", "--out", "out", "--", "sh", "-c", script, cwd=project) as process:
        layers = programs.cache / "layers"
        assert eventually(lambda: list(layers.glob("tmp/*/0/x")))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert list(project.iterdir()) == []
    # who was killed held the cache, and so perhaps did another program of these tests; the last one cleans
    assert eventually(lambda: programs.run(RUN, "--", "true", cwd=project).check(0) and nothing_is_kept(programs))


WRITABLE = {"enable_writable_file_system": True, "working_directory": "/w", "layers": [HOST, {"stubs": ["/w/"]}]}


def test_of_a_job_that_a_signal_killed_files_are_brought_back_and_no_archive_is_written(
    programs: Programs, project: Path
):
    """Only from outside: the first process is immune to what it sends itself."""
    script = "echo x > x; exec sleep 31313"
    spec = shell_job(script, out="out", capture="x.tar", **WRITABLE)
    (project / "job.json").write_text(json.dumps(spec))
    for words, code in ((("--one", "--file", "job.json"), -signal.SIGKILL), (("--file", "job.json"), 1)):
        with programs.start(RUN, *words, cwd=project) as process:
            assert eventually(lambda: sleepers(process.pid, "31313"))
            for pid in sleepers(process.pid, "31313"):
                os.kill(pid, signal.SIGKILL)
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert out == b""
        assert f"{project / 'x.tar'} is not written, as the job failed" in err.decode()
        assert contents(project) == {"job.json": json.dumps(spec), "out/x": "x\n"}
        assert nothing_is_kept(programs)


def test_of_a_job_that_ran_out_of_time_no_archive_is_written(programs: Programs, project: Path):
    (project / "x.tar").write_text("old")
    done = programs.jobs(
        shell_job("echo x > x; sleep 1000", out="out", capture="x.tar", timeout=1, **WRITABLE), cwd=project
    )
    assert f"job 1: {project / 'x.tar'} is not written, as the job failed\n" in done.check(1).err
    assert contents(project) == {"x.tar": "old", "out/x": "x\n"}
    assert nothing_is_kept(programs)


@pytest.mark.parametrize(
    ("options", "lost"),
    [
        (("--out", "out"), "nothing is brought back to out"),
        (("--capture", "x.tar"), "x.tar is not written"),
        (("--out", "out", "--capture", "x.tar"), "nothing is brought back to out and x.tar is not written"),
    ],
)
def test_after_an_interrupt_nothing_is_kept_and_that_is_said(
    programs: Programs, project: Path, options: tuple[str, ...], lost: str
):
    arguments = ("--out-from", "/srv") if "--out" in options else ()
    script = "mkdir -p /srv; echo x > /srv/x; exec sleep 32323"
    with programs.start(RUN, *options, *arguments, "--", "sh", "-c", script, cwd=project) as process:
        assert eventually(lambda: sleepers(process.pid, "32323"))
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == (b"", f"maelstrom-run: interrupted; {lost}\n".encode())
    assert process.returncode == 130
    assert list(project.iterdir()) == []
    assert nothing_is_kept(programs)


def test_of_a_stream_that_is_interrupted_the_files_of_ended_jobs_stay(programs: Programs, project: Path):
    jobs = [
        shell_job(f"echo {n} > {n}; {end}", out=f"out{n}", **WRITABLE) for n, end in enumerate((":", "sleep 32424"))
    ]
    (project / "jobs.json").write_bytes(stream(*jobs))
    log = project.parent / "log"
    with programs.start(RUN, "--file", "jobs.json", "--slots", "2", "--joblog", str(log), cwd=project) as process:
        assert eventually(lambda: sleepers(process.pid, "32424") and len(log.read_text().splitlines()) == 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert err.decode().splitlines() == [
        "maelstrom-run: 1 job done, 0 failed, 1 running: job 2; no files are kept of what was running",
        "maelstrom-run: interrupted",
    ]
    assert sorted(path.name for path in project.iterdir()) == ["jobs.json", "out0"]
    assert nothing_is_kept(programs)


def test_with_results_what_could_not_be_kept_is_said_as_well(programs: Programs, project: Path):
    (project / "out").write_text("a file")
    (project / "jobs.json").write_bytes(stream(shell_job("echo x > x", out="out", **WRITABLE)))
    done = programs.run(RUN, "--jobs", "jobs.json", cwd=project).check(1)
    assert "job 1: failed to bring back the files of the job" in done.err
    assert json.loads(done.out)["files_error"].startswith("failed to bring back the files of the job")
