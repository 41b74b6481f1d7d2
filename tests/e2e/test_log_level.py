"""--log-level shows what the programs do; without it nothing is shown."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tests.support.programs import PATIENCE, PYTEST, RUN, Programs, eventually, shell_job, sleepers, write_project

LINE = re.compile(r"[A-Z][a-z]{2} \d+ \d\d:\d\d:\d\d\.\d{3} (INFO|DEBUG) (.*)")


def logged(text: str, level: str) -> list[str]:
    matches = [LINE.fullmatch(line) for line in text.splitlines()]
    return [match[2] for match in matches if match is not None and match[1] == level]


def test_debug_shows_every_job_and_info_what_was_made(fresh: Programs, project: Path):
    layers = {"layers": [{"stubs": ["/made"]}, {"host": ["/usr", "/bin", "/lib", "/lib64", "/etc"]}]}
    jobs = [shell_job("exit 4", **layers), shell_job("true", **layers)]
    quiet = fresh.jobs(*jobs, cwd=project, options=("--cache-root", str(project / "quiet"))).check(4)
    assert quiet.err == "job 1: exited with code 4\n"
    done = fresh.jobs(*jobs, cwd=project, options=("--log-level", "debug", "--slots", "1")).check(4)
    made, steps = logged(done.err, "INFO"), logged(done.err, "DEBUG")
    assert [line for line in made if re.match(r"layer made, digest: [0-9a-f]{16}, seconds: 0\.\d{3}$", line)]
    assert "job started, job: 1, slot: 0, program: sh" in steps
    assert [line for line in steps if re.match(r"job ended, job: 2, outcome: exited, seconds: \d+\.\d{3}$", line)]
    assert [line for line in steps if line.startswith("pool member born, member: 1, slot: 0, pid: ")]
    assert [line for line in done.err.splitlines() if not LINE.fullmatch(line)] == ["job 1: exited with code 4"]
    again = fresh.jobs(*jobs, cwd=project, options=("-L", "info")).check(4)
    assert again.err == quiet.err  # nothing was made


def test_arguments_and_environment_of_jobs_are_not_logged(programs: Programs, project: Path):
    job = shell_job("echo $PASSWORD; : secret-argument", environment={"PASSWORD": "secret-value", "PATH": "/bin"})
    done = programs.jobs(job, cwd=project, options=("--log-level", "debug")).check(0)
    assert logged(done.err, "DEBUG")
    assert "secret" not in done.err


def test_a_pool_member_that_is_lost_is_logged(programs: Programs, project: Path):
    words = ("-L", "info", "--", "sleep", "34343")
    with programs.start(RUN, *words, cwd=project) as process:
        assert eventually(lambda: sleepers(process.pid, "34343"))
        (job,) = sleepers(process.pid, "34343")
        member = int(Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(member, signal.SIGKILL)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert "pool member lost, member: 1, job: 1, reason: it was killed, or crashed" in logged(err.decode(), "INFO")


def test_the_same_of_maelstrom_pytest(fresh: Programs, project: Path):
    write_project(project, {"test_a.py": "def test_a(): pass\n"})
    assert fresh.run(PYTEST, cwd=project).check(0).err == ""
    done = fresh.run(PYTEST, "--log-level", "debug", cwd=project).check(0)
    assert "tests collected, tests: 1, errors: 0" in logged(done.err, "INFO")
    steps = logged(done.err, "DEBUG")
    assert [line for line in steps if line.startswith("job started, ")]
    assert [line for line in steps if line.startswith("job ended, ")]
