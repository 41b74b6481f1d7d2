"""The terminal of `maelstrom-run --tty` as a job sees it: its name, what it is, what a hostile job can do with it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.programs import (
    HOST,
    RUN,
    USUAL_MOUNTS,
    Programs,
    Terminal,
    alive,
    descendants,
    job,
)
from tests.support.terminals import is_raw, job_file, shell_on, shows, waiting_input


def test_its_name_is_in_the_container(programs: Programs, project: Path):
    script = (
        "import os; print(os.ttyname(0), os.ttyname(1), os.ttyname(2), os.stat('/dev/pts/0').st_uid == os.getuid())"
    )
    with Terminal(programs, RUN, "--tty", "--", "/usr/bin/python3", "-c", script, cwd=project) as terminal:
        assert terminal.wait() == 0
        assert terminal.text.endswith("/dev/pts/0 /dev/pts/0 /dev/pts/0 True\r\n")
    with shell_on(programs, project, "tty; stty size; ls /dev/pts") as terminal:
        assert terminal.wait() == 0
        assert terminal.text.split()[-5:] == ["/dev/pts/0", "30", "100", "0", "ptmx"]


def test_without_a_devpts_it_has_no_name_and_works(programs: Programs, project: Path):
    mounts = [*USUAL_MOUNTS[:2], {"type": "devices", "devices": ["null", "tty"]}]
    file = job_file(
        project, job("sh", "-c", "tty; stty size; echo on it > /dev/tty; read -r x; exit $x", mounts=mounts)
    )
    with Terminal(programs, RUN, "--tty", "--file", file, cwd=project) as terminal:
        assert shows(terminal, "not a tty\r\n30 100\r\non it\r\n")
        terminal.type("7\n")
        assert terminal.wait() == 7


def test_what_lies_where_pseudo_terminals_are_made_is_not_trusted(programs: Programs, project: Path):
    """A container may hold anything there: it is looked at, and the job has the terminal that it was offered."""
    (project / "pts").mkdir()
    os.mkfifo(project / "pts" / "ptmx")
    bind = {"type": "bind", "mount_point": "/dev/pts", "local_path": "pts"}
    layers = [HOST, {"stubs": ["/dev/pts/"]}]
    file = job_file(project, job("sh", "-c", "test -t 0 && tty; exit 6", layers=layers, mounts=[*USUAL_MOUNTS, bind]))
    with Terminal(programs, RUN, "--tty", "--file", file, cwd=project) as terminal:
        assert terminal.wait() == 6
        assert "not a tty" in terminal.text


@pytest.mark.parametrize(
    ("program", "arguments", "keys"),
    [
        ("tmux", ("-f", "/dev/null", "new-session", "echo shown; read -r x"), "\n"),
        ("script", ("-qc", "echo shown; read -r x", "/dev/null"), "\n"),
        ("less", ("shown",), "q"),
        ("vim", ("-u", "NONE", "shown"), ":q!\r"),
    ],
)
def test_programs_that_take_a_terminal_over(
    programs: Programs, project: Path, program: str, arguments: tuple[str, ...], keys: str
):
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program}")
    (project / "shown").write_text("".join(f"shown {number}\n" for number in range(100)))
    with Terminal(programs, RUN, "--tty", "--", program, *arguments, cwd=project) as terminal:
        assert shows(terminal, "shown")
        terminal.type(keys)
        assert terminal.wait() == 0
        assert terminal.settings == terminal.before


def test_it_is_the_controlling_terminal_and_all_three_streams(programs: Programs, project: Path):
    device = "cut -d' ' -f7 /proc/self/stat"
    script = f"test -t 0 && test -t 1 && test -t 2 && echo on it > /dev/tty && {device} && ls /proc/self/fd"
    with shell_on(programs, project, script) as terminal:
        assert terminal.wait() == 0
        lines = terminal.text.splitlines()
        assert lines[1] == "on it"
        assert int(lines[2]) > 0  # the device of the controlling terminal
        assert "".join(lines[3:]).split() == ["0", "1", "2", "3", "4"]  # 3: the result channel; 4: of ls itself


def test_a_terminal_that_everybody_let_go_of_can_be_taken_up_again(programs: Programs, project: Path):
    script = "exec < /dev/null > /dev/null 2>&1; echo again > /dev/tty"
    with shell_on(programs, project, script) as terminal:
        assert terminal.wait() == 0
        assert "again" in terminal.text


def test_the_other_end_is_in_no_process_but_ours(programs: Programs, project: Path):
    with shell_on(programs, project, "echo ready; exec cat") as terminal:
        assert shows(terminal, "ready")
        client = terminal.process.pid

        def masters(pid: int) -> int:
            links = (Path(f"/proc/{pid}/fd") / name for name in os.listdir(f"/proc/{pid}/fd"))
            return sum(os.readlink(link).endswith("ptmx") for link in links)

        assert masters(client) == 1
        below = descendants(client)
        assert len(below) >= 3
        assert {pid: masters(pid) for pid in below if masters(pid)} == {}


@pytest.mark.parametrize("seccomp", ["default", "off"])
def test_hostile_what_a_job_types_itself_is_not_typed_on_ours(programs: Programs, project: Path, seccomp: str):
    """With the filter TIOCSTI is refused; without it, it reaches the job's terminal at most, which ends with it."""
    script = """
import fcntl, sys, termios
for fd in (0, 1, 2):
    try:
        for character in b"touch typed\\n":
            fcntl.ioctl(fd, termios.TIOCSTI, bytes((character,)))
    except OSError as error:
        print("refused", error.errno)
"""
    file = job_file(project, job("/usr/bin/python3", "-c", script, seccomp=seccomp))
    with Terminal(programs, RUN, "--tty", "--file", file, cwd=project) as terminal:
        assert terminal.wait() == 0
        assert waiting_input(terminal) == 0
        if seccomp == "default":
            assert terminal.text.count("refused 1\r\n") == 3


def test_hostile_who_keeps_the_terminal_after_the_job_dies_with_it(programs: Programs, project: Path):
    script = "setsid sh -c 'trap \"\" HUP TERM INT; echo kept; exec sleep 65432' & read -r line; exit 3"
    with shell_on(programs, project, script) as terminal:
        assert shows(terminal, "kept")
        below = descendants(terminal.process.pid)
        terminal.type("\n")
        assert terminal.wait() == 3
        assert not any(alive(pid) for pid in below)


@pytest.mark.parametrize("settings", ["raw -echo", "intr a quit b susp c -isig", "-opost -onlcr cs7"])
def test_hostile_settings_are_the_jobs_own(programs: Programs, project: Path, settings: str):
    with shell_on(programs, project, f"stty {settings}; echo set; read -r line; exit 9") as terminal:
        assert shows(terminal, "set")
        assert is_raw(terminal)
        terminal.type("\n")
        assert terminal.wait() == 9
        assert terminal.settings == terminal.before
