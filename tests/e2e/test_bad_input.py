"""Whatever is wrong gets one clear message or verdict, and what else there is to run is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cargo import CARGO
from tests.support.hostile_archives import CASES
from tests.support.programs import GO_TEST, HOST, PYTEST, RUN, Programs, job, shell_job, write_project

GOOD = "def test_good():\n    pass\n"


# all programs

PROGRAMS = {RUN: "maelstrom-run", PYTEST: "maelstrom-pytest", GO_TEST: "maelstrom-go-test", CARGO: "cargo-maelstrom"}
FILES = {PYTEST: "maelstrom-pytest.toml", GO_TEST: "maelstrom-go-test.toml", CARGO: "cargo-maelstrom.toml"}


def refused(programs: Programs, program: str, *arguments: str, cwd: Path) -> str:
    """Run a program that cannot do what it is asked for; return its one message, with at most a hint below."""
    done = programs.run(program, *arguments, cwd=cwd).check(2)
    assert done.out == ""
    assert "Traceback" not in done.err
    assert sum(line.startswith((f"{PROGRAMS[program]}: ", "Error: ")) for line in done.err.splitlines()) == 1, done.err
    return done.err


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_option_that_no_program_has(programs: Programs, project: Path, program: str):
    assert "--no-such-option" in refused(programs, program, "--no-such-option", cwd=project)


@pytest.mark.parametrize("program", FILES)
@pytest.mark.parametrize("option", ["--include", "--exclude"])
def test_a_filter_that_is_none(programs: Programs, project: Path, program: str, option: str):
    words = refused(programs, program, option, "name.starts_with(a", cwd=project)
    assert f"{option}: there is no `)`" in words


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("text", "place"), [("slots = 3\nlog-level == 4\n", ":2:12: "), ("slots = [\n", ":2:1: ")])
def test_a_configuration_that_is_no_toml(programs: Programs, project: Path, program: str, text: str, place: str):
    path = project / "broken.toml"
    path.write_text(text)
    assert f"{path}{place}" in refused(programs, program, "--config-file", str(path), cwd=project)


@pytest.mark.parametrize("program", FILES)
def test_a_file_of_the_project_that_is_no_toml(programs: Programs, project: Path, program: str):
    (project / FILES[program]).write_text("[[directives]\n")
    assert f"{project / FILES[program]}:1:" in refused(programs, program, cwd=project)


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        (RUN, ("--tty", "--stdin", "--", "true"), ("--tty", "--stdin")),
        (RUN, ("--file", "jobs", "--", "true"), ("--file", "exclude each other")),
        (PYTEST, ("--replay", "a", "--include", "all"), ("--replay", "no selection")),
        (PYTEST, ("--shell", "a", "--last-failed"), ("--shell", "no other selection")),
        (GO_TEST, ("--replay", "a", "--last-failed"), ("--replay", "no selection")),
        (CARGO, ("--replay", "a", "--last-failed"), ("--replay", "no selection")),
        (CARGO, ("--doc", "--lib"), ("--doc", "--lib")),
        (PYTEST, ("--list", "--dry-run"), ("--list and --dry-run exclude each other",)),
        (GO_TEST, ("--init", "--replay", "a"), ("--init and --replay exclude each other",)),
        (CARGO, ("--watch", "--shell", "a"), ("--watch and --shell exclude each other",)),
        (RUN, ("--doctor", "--", "true"), ("--doctor runs no command",)),
    ],
)
def test_options_that_contradict_each_other(
    programs: Programs, project: Path, program: str, arguments: tuple[str, ...], words: tuple[str, ...]
):
    said = refused(programs, program, *arguments, cwd=project)
    assert all(word in said for word in words), said


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_directory_that_is_gone(programs: Programs, project: Path, program: str):
    command = programs.command(program, ("--", "true") if program == RUN else ("--list",))
    without = ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *command]
    done = subprocess.run(without, cwd=project, env=programs.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{PROGRAMS[program]}: the current directory is not there any more\n  hint: ")


@pytest.mark.parametrize("option", ["--junit-xml", "--trace", "--report"])
def test_a_report_that_cannot_be_written_is_known_before_tests_run(programs: Programs, project: Path, option: str):
    write_project(project, {"test_a.py": GOOD, "reports/old": ""})
    assert f"give {option} another path" in refused(programs, PYTEST, option, "reports", cwd=project)


# maelstrom-run


def test_a_name_that_no_image_can_have(programs: Programs, project: Path):
    assert "`nope://x` is not the name of an image" in refused(programs, RUN, "--image", "nope://x", cwd=project)


def test_a_specification_with_an_unknown_field(programs: Programs, project: Path):
    done = programs.jobs(shell_job("echo first"), job("true", tiemout=3), cwd=project).check(2)
    assert "object at line 2" in done.single_message
    assert "`tiemout`" in done.err
    assert "did you mean `timeout`?" in done.err
    assert done.out == "first\n"


def test_ex57_a_missing_program_fails_its_own_job_only(programs: Programs, project: Path):
    done = programs.jobs(job("no-such-program"), shell_job("echo second"), cwd=project).check(1)
    assert "job 1: execution error" in done.single_message
    assert "no-such-program" in done.err
    assert done.out == "second\n"


def test_a_missing_program_as_a_command(programs: Programs, project: Path):
    done = programs.run(RUN, "--", "no-such-program", cwd=project).check(1)
    assert "no-such-program" in done.single_message


def test_ex61_a_missing_bind_source(programs: Programs, project: Path):
    mounts = [{"type": "bind", "mount_point": "/mnt", "local_path": "no/such/directory"}]
    done = programs.jobs(shell_job("true", mounts=mounts), shell_job("echo second"), cwd=project).check(1)
    assert str(project / "no/such/directory") in done.single_message
    assert done.out == "second\n"


def test_a_mount_point_over_a_file(programs: Programs, project: Path):
    mounts = [{"type": "tmp", "mount_point": "/etc/passwd"}]
    done = programs.jobs(shell_job("true", mounts=mounts), shell_job("echo second"), cwd=project).check(1)
    assert "/etc/passwd" in done.single_message
    assert "a file" in done.err
    assert done.out == "second\n"


def test_ex58_a_working_directory_that_is_a_file(programs: Programs, project: Path):
    done = programs.jobs(
        shell_job("true", working_directory="/etc/passwd"), shell_job("echo second"), cwd=project
    ).check(1)
    assert "/etc/passwd" in done.single_message
    assert done.out == "second\n"


def test_a_missing_host_directory(programs: Programs, project: Path):
    done = programs.jobs(job("true", layers=[{"host": ["/no/such/place"]}]), shell_job("echo second"), cwd=project)
    assert "/no/such/place" in done.check(1).single_message
    assert done.out == "second\n"


def test_ex68_a_null_character_in_an_argument(programs: Programs, project: Path):
    done = programs.jobs(job("echo", "a\0b"), shell_job("echo second"), cwd=project)
    assert done.code in {1, 2}
    assert "null" in done.single_message.lower() or "NUL" in done.err


def test_input_that_is_not_json(programs: Programs, project: Path):
    done = programs.jobs(shell_job("echo first"), "{ not json", cwd=project).check(2)
    assert "line 2" in done.single_message
    assert done.out == "first\n"


def test_input_that_ends_in_the_middle(programs: Programs, project: Path):
    done = programs.jobs('{"program": "true", ', cwd=project).check(2)
    assert "line 1, column 1: this object has no end" in done.single_message


def test_a_configuration_file_with_an_unknown_key(programs: Programs, project: Path):
    path = project / "strange.toml"
    path.write_text("slotz = 3\n")
    done = programs.run(RUN, "--config-file", str(path), "--", "true", cwd=project).check(2)
    assert "slotz" in done.single_message


def test_a_file_of_jobs_that_is_not_there(programs: Programs, project: Path):
    assert "nothing.json" in programs.run(RUN, "-f", "nothing.json", cwd=project).check(2).single_message


def test_a_cache_that_cannot_be_made(programs: Programs, project: Path):
    (project / "file").write_text("")
    for program, *arguments in ((RUN, "--", "true"), (PYTEST,), (GO_TEST,)):
        words = refused(programs, program, "--cache-root", str(project / "file" / "cache"), *arguments, cwd=project)
        assert str(project / "file") in words


def test_hostile_archives(programs: Programs, project: Path):
    """Each fails its job alone, with one message; nothing is written beside the cache. More: test_hostile_archives."""
    names = [
        "dot-dot",
        "through-a-chain",
        "hard-link-outside",
        "character-device",
        "negative-size",
        "gzip-cut",
        "zstd-cut",
    ]
    for name in [*names, "odd-bytes"]:
        (project / f"{name}.tar").write_bytes(CASES[name].data)
    jobs = [job("true", layers=[HOST, {"tar": f"{name}.tar"}]) for name in names]
    good = shell_job("ls -b / | grep -c -e 377 -e rf", layers=[HOST, {"tar": "odd-bytes.tar"}])
    done = programs.jobs(*jobs, good, cwd=project).check(1)
    assert "Traceback" not in done.err
    for number, name in enumerate(names, 1):
        lines = [line for line in done.err.splitlines() if line.startswith(f"job {number}: ")]
        assert len(lines) == 1
        assert f"failed to unpack {project}/{name}.tar: " in lines[0]
        assert re.search(CASES[name].error or "", lines[0])
    assert done.out == "2\n"
    assert sorted(each.name for each in project.iterdir()) == sorted(f"{name}.tar" for name in [*names, "odd-bytes"])


# maelstrom-pytest


def test_a_project_without_tests(programs: Programs, project: Path):
    done = programs.run(PYTEST, cwd=project).check(5)
    assert "Traceback" not in done.out + done.err


def test_an_interpreter_without_pytest(programs: Programs, project: Path, tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = str(tmp_path / "bare" / "bin" / "python")
    done = programs.run(PYTEST, "--python", python, cwd=write_project(project, {"test_a.py": GOOD})).check(2)
    assert f"failed to find pytest in the environment of {python}" in done.single_message
    assert f"{python} -m pip install pytest" in done.err


def test_an_interpreter_that_is_not_there(programs: Programs, project: Path):
    assert "/no/python" in programs.run(PYTEST, "--python", "/no/python", cwd=project).check(2).single_message


def test_an_interpreter_that_is_none(programs: Programs, project: Path):
    assert "/bin/true" in programs.run(PYTEST, "--python", "/bin/true", cwd=project).check(2).single_message


def test_a_conftest_that_raises(programs: Programs, project: Path):
    write_project(project, {"conftest.py": "raise RuntimeError('no conftest today')\n", "test_a.py": GOOD})
    done = programs.run(PYTEST, cwd=project).check(2)
    text = done.out + done.err
    assert "ImportError while loading conftest" in text
    assert "RuntimeError: no conftest today" in text
    assert "maelstrom_pytest" not in text  # none of our frames


def test_py3_a_test_file_that_cannot_be_imported(programs: Programs, project: Path):
    write_project(project, {"test_bad.py": "import no_such_module\n", "test_good.py": GOOD})
    done = programs.run(PYTEST, cwd=project).check(2)
    assert "No module named 'no_such_module'" in done.out
    assert "ERROR collecting test_bad.py" in done.out


def test_a_pytest_configuration_that_is_wrong(programs: Programs, project: Path):
    write_project(project, {"pytest.ini": "[pytest]\naddopts = --no-such-option\n", "test_a.py": GOOD})
    done = programs.run(PYTEST, cwd=project).check(2)
    assert "unrecognized arguments: --no-such-option" in done.out + done.err


def test_a_node_id_that_is_not_there(programs: Programs, project: Path):
    done = programs.run(PYTEST, "test_a.py::test_gone", cwd=write_project(project, {"test_a.py": GOOD})).check(2)
    assert "test_gone" in done.out + done.err


HOSTILE = """
import os, signal, sys, time

def test_kills_itself():
    os.kill(os.getpid(), signal.SIGKILL)

def test_exits():
    os._exit(0)

def test_leaves_children():
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            time.sleep(1000)
            os._exit(0)

def test_closes_every_descriptor():
    os.closerange(0, 4096)

def test_prints_100_megabytes():
    for _ in range(100):
        os.write(1, b"x" * 999_999 + b"\\n")

def test_prints_100_megabytes_and_fails():
    test_prints_100_megabytes()
    assert 1 == 2

def test_writes_garbage_into_the_result_channel():
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.write(int(name), b"\\xff" * 100)
            except OSError:
                pass

def test_kills_the_first_process():
    os.kill(1, signal.SIGKILL)  # the kernel protects it from its own namespace

def test_terminates_the_first_process():
    os.kill(1, signal.SIGTERM)  # which passes it on
    time.sleep(1000)

def test_stops_itself():
    os.kill(os.getpid(), signal.SIGTERM)

def test_exhausts_the_stack():
    def deeper(n): return deeper(n + 1) + 1
    deeper(0)

def test_raises_the_exit():
    raise SystemExit(0)

def test_interrupts():
    raise KeyboardInterrupt

def test_prints_what_is_no_text():
    os.write(1, bytes(range(256)))
    assert False, "\\udcff \\x00 \\x1b[31m"

def test_good():
    assert os.listdir("/tmp") is not None
"""

WORDS = {
    "test_kills_itself": "ERR",
    "test_exits": "ERR",
    "test_leaves_children": "OK",
    "test_prints_100_megabytes": "OK",
    "test_prints_100_megabytes_and_fails": "FAIL",
    "test_writes_garbage_into_the_result_channel": "ERR",
    "test_kills_the_first_process": "OK",
    "test_terminates_the_first_process": "ERR",
    "test_stops_itself": "ERR",
    "test_exhausts_the_stack": "FAIL",
    "test_raises_the_exit": "FAIL",
    "test_interrupts": "ERR",
    "test_prints_what_is_no_text": "FAIL",
    "test_good": "OK",
}


def verdicts(text: str) -> dict[str, str]:
    """Return the word of each test of `test_a.py` from the lines of a run."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("test_a.py::") and "..." in line:
            name, _, rest = line.removeprefix("test_a.py::").partition(".")
            assert name not in found, f"two verdicts of {name}"
            found[name] = rest.strip(".").split()[0]
    return found


@pytest.mark.parametrize("isolation", ["test", "module"])
def test_hostile_tests_get_one_verdict_each_and_the_run_goes_on(programs: Programs, project: Path, isolation: str):
    write_project(project, {"test_a.py": HOSTILE})
    done = programs.run(PYTEST, "--isolation", isolation, cwd=project).check(1)
    found = verdicts(done.out)
    # closing everything includes pytest's own files: what it makes of that is pytest's business, one word it is
    assert found.pop("test_closes_every_descriptor") in {"OK", "FAIL", "ERR", "ERROR"}
    assert found == WORDS
    assert len(done.out) < 5_000_000
    assert done.err == ""
    assert "was killed by SIGKILL" in done.out
    assert "wrote garbage into the result channel" in done.out


def test_ex69_a_test_that_sleeps_past_its_timeout(programs: Programs, project: Path):
    sleeps = "import time\ndef test_sleeps():\n    print('before', flush=True)\n    time.sleep(1000)\n"
    write_project(project, {"test_a.py": sleeps + GOOD})
    done = programs.run(PYTEST, "--timeout", "3", cwd=project).check(1)
    assert verdicts(done.out) == {"test_sleeps": "TIMEOUT", "test_good": "OK"}
    assert "test_a.py::test_sleeps: timeout" in done.out


def test_a_full_tmp_is_the_problem_of_the_test_that_filled_it(programs: Programs, project: Path):
    fills = "def test_fills():\n    with open('/tmp/big', 'wb', 0) as file:\n"
    fills += "        while file.write(bytes(1 << 20)):\n            pass\n"
    empty = "import os\ndef test_next():\n    assert not os.path.exists('/tmp/big')\n"
    write_project(project, {"test_a.py": fills + empty})
    done = programs.run(PYTEST, "--slots", "32", cwd=project).check(1)  # many slots: little memory for each
    assert verdicts(done.out) == {"test_fills": "FAIL", "test_next": "OK"}
    assert "No space left on device" in done.out
