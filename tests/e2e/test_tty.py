"""maelstrom-run --tty on a real terminal: EX62 to EX67, MI1, MI3, MI4; what a hostile job cannot do to ours."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import (
    RUN,
    USUAL_MOUNTS,
    Programs,
    Terminal,
    alive,
    descendants,
    eventually,
    job,
    ordinary_programs,
)
from tests.support.terminals import QUIT, SUSPEND, is_raw, job_file, shell_on, shows

LISTENER = """
import os, signal
def say(*words):
    os.write(1, " ".join(map(str, [*words, *reversed(os.get_terminal_size())])).encode() + b"\\n")
numbers = {signal.SIGINT, signal.SIGTSTP, signal.SIGQUIT, signal.SIGWINCH}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # a handler may be called in the middle of saying that it is there
say("ready")
while True:
    number = signal.Signals(signal.sigwait(numbers))
    say("got", number.name)
    if number != signal.SIGWINCH:
        os._exit(3)
"""


def test_ex62_what_is_typed_is_echoed_and_read_and_ctrl_d_is_the_end(programs: Programs, project: Path):
    with shell_on(programs, project, "echo ready; cat; exit 4") as terminal:
        assert shows(terminal, "ready\r\n")
        assert is_raw(terminal)
        terminal.type("dog\n")
        assert shows(terminal, "ready\r\ndog\r\ndog\r\n")
        terminal.type("\x04")
        assert terminal.wait() == 4
        assert terminal.text.endswith("ready\r\ndog\r\ndog\r\n")  # nothing was kept, and printed at the end
        assert terminal.settings == terminal.before


@pytest.mark.parametrize(("key", "name"), [("\x03", "SIGINT"), ("\x1a", "SIGTSTP"), ("\x1c", "SIGQUIT")])
def test_ex63_to_ex65_keys_are_signals_for_the_job(programs: Programs, project: Path, key: str, name: str):
    with Terminal(programs, RUN, "--tty", "--", "/usr/bin/python3", "-c", LISTENER, cwd=project) as terminal:
        assert shows(terminal, "ready 30 100")
        terminal.type(key)
        assert terminal.wait() == 3
        assert f"got {name}" in terminal.text


def test_ex66_when_our_terminal_goes_the_jobs_hangs_up(programs: Programs, project: Path):
    (project / "shown").mkdir()
    bind = {"type": "bind", "mount_point": "/mnt", "local_path": "shown"}
    script = "trap 'echo got HUP > /mnt/heard; exit 1' HUP; echo ready; while :; do read -r line; done"
    file = job_file(project, job("sh", "-c", script, mounts=[*USUAL_MOUNTS, bind]))
    with Terminal(programs, RUN, "--tty", "--file", file, cwd=project) as terminal:
        assert shows(terminal, "ready")
        below = descendants(terminal.process.pid)
        os.close(terminal._master)
        terminal._master = os.dup(terminal._slave)
        assert terminal.process.wait(30) == -signal.SIGHUP
        assert eventually(lambda: not any(alive(pid) for pid in below))
    assert (project / "shown" / "heard").read_text() == "got HUP\n"


def test_ex67_the_size_of_our_window_is_the_jobs(programs: Programs, project: Path):
    with Terminal(programs, RUN, "--tty", "--", "/usr/bin/python3", "-c", LISTENER, cwd=project) as terminal:
        assert shows(terminal, "ready 30 100")
        for rows, columns in ((40, 100), (50, 120)):
            fcntl.ioctl(terminal._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            assert shows(terminal, f"got SIGWINCH {rows} {columns}")


def test_mi3_mi4_every_byte_is_itself_both_ways(programs: Programs, project: Path):
    """There is nothing to encode: sizes do not travel between the bytes."""
    script = "stty raw -echo; echo ready; head -c 6 | od -An -tx1; printf '\\377\\000\\377\\377'; exit 2"
    with shell_on(programs, project, script) as terminal:
        assert shows(terminal, "ready")
        os.write(terminal._master, b"\xff\xff\x00\x00\xff\x1e")
        assert terminal.wait() == 2
        assert "ff ff 00 00 ff 1e" in terminal.text
        assert "\ufffd\x00\ufffd\ufffd" in terminal.text


def test_mi1_the_escape_character_is_typed_by_typing_it_twice(programs: Programs, project: Path):
    with shell_on(
        programs, project, "stty raw -echo; echo ready; head -c 3 | cat -v", "--escape-char", "!"
    ) as terminal:
        assert "! ^C quits, ! ^Z suspends, ! ! types !" in (shows(terminal, "ready") and terminal.text)
        terminal.type("!!!x")
        assert terminal.wait() == 0
        assert terminal.text.endswith("!!x")


def test_an_escape_character_that_nothing_follows_reaches_the_job(programs: Programs, project: Path):
    with shell_on(programs, project, "stty raw -echo; echo ready; head -c 1 | cat -v") as terminal:
        assert shows(terminal, "ready")
        terminal.type("\x1d")
        assert terminal.wait() == 0
        assert terminal.text.endswith("^]")


def test_escape_and_ctrl_c_quit_whatever_the_job_does(programs: Programs, project: Path):
    with shell_on(programs, project, "trap '' INT HUP TERM; stty raw; echo ready; exec cat") as terminal:
        assert shows(terminal, "ready")
        below = descendants(terminal.process.pid)
        terminal.type(QUIT)
        assert terminal.wait() == 130
        assert terminal.settings == terminal.before
        assert "Traceback" not in terminal.text
        assert not any(alive(pid) for pid in below)


def test_escape_and_ctrl_z_suspend_us_until_we_are_continued(programs: Programs, project: Path):
    """In a shell with job control, as at home."""
    script = 'set -m; "$@"; echo "stopped $?"; read -r line; fg > /dev/null; echo "ended $?"'
    at_home = Programs(programs.home, ("bash", "-c", script, "bash"))
    with shell_on(at_home, project, "echo ready; read -r line; echo read $line; exit 5") as terminal:
        assert shows(terminal, "ready")
        assert is_raw(terminal)
        terminal.type(SUSPEND)
        assert shows(terminal, f"stopped {128 + signal.SIGTSTP}")
        assert terminal.settings == terminal.before
        terminal.type("\n")
        assert eventually(lambda: is_raw(terminal))
        terminal.type("more\n")
        assert shows(terminal, "read more")
        assert shows(terminal, "ended 5")
        assert terminal.settings == terminal.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_that_end_us_end_the_job_and_put_the_terminal_back(
    programs: Programs, project: Path, number: signal.Signals
):
    with shell_on(programs, project, "trap '' HUP; echo ready; exec cat") as terminal:
        assert shows(terminal, "ready")
        below = descendants(terminal.process.pid)
        terminal.process.send_signal(number)
        assert terminal.wait() == -number
        assert terminal.settings == terminal.before
        assert not any(alive(pid) for pid in below)


def test_sigint_from_elsewhere_quits(programs: Programs, project: Path):
    with shell_on(programs, project, "echo ready; exec cat") as terminal:
        assert shows(terminal, "ready")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
        assert terminal.settings == terminal.before


def test_nothing_is_left_when_we_are_killed(programs: Programs, project: Path):
    with shell_on(programs, project, "trap '' HUP; echo ready; exec cat") as terminal:
        assert shows(terminal, "ready")
        below = descendants(terminal.process.pid)
        terminal.process.kill()
        assert eventually(lambda: not any(alive(pid) for pid in below))


def test_we_end_by_the_signal_that_killed_the_job(programs: Programs, project: Path):
    # The first process is immune to what it sends itself; a fault kills it.
    script = "import ctypes; ctypes.string_at(0)"
    with Terminal(programs, RUN, "--tty", "--", "/usr/bin/python3", "-c", script, cwd=project) as terminal:
        assert terminal.wait() == -signal.SIGSEGV
        assert terminal.settings == terminal.before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tty", "--", "/nowhere/program"), "failed to execute /nowhere/program"),
        (
            ("--timeout", "0.3", "--tty", "--", "sh", "-c", "printf unfinished; cat"),
            "unfinished\r\nmaelstrom-run: timed out",
        ),
    ],
)
def test_failures_are_told_on_a_terminal_that_is_ours_again(
    programs: Programs, project: Path, arguments: tuple[str, ...], words: str
):
    with Terminal(programs, RUN, *arguments, cwd=project) as terminal:
        assert terminal.wait() == 1
        assert words in terminal.text
        assert terminal.text.endswith("\r\n")
        assert terminal.settings == terminal.before


def test_all_that_was_printed_is_shown_before_we_end(programs: Programs, project: Path):
    with shell_on(programs, project, "head -c 500000 /dev/zero | tr '\\0' x; echo end; exit 6") as terminal:
        assert terminal.wait() == 6
        assert terminal.text.count("x") >= 500_000
        assert terminal.text.endswith("end\r\n")


def test_a_job_that_floods_a_terminal_that_takes_nothing_waits_and_we_can_quit(programs: Programs, project: Path):
    """All that it has written lies in the kernel, or is one piece that we hold."""
    with shell_on(programs, project, "echo ready; exec yes") as terminal:
        assert shows(terminal, "ready")

        def flooding() -> list[int]:
            return [pid for pid in descendants(terminal.process.pid) if _name(pid) == "yes"]

        assert eventually(flooding)
        (yes,) = flooding()
        seen = [-1]

        def stands_still() -> bool:
            written = int(Path(f"/proc/{yes}/io").read_text().split("wchar: ")[1].split()[0])
            seen.append(written)
            return written > 0 and len(seen) > 50 and set(seen[-50:]) == {written}

        assert eventually(stands_still)
        assert seen[-1] < len(terminal.text) + 300_000
        terminal.type(QUIT)
        assert terminal.wait() == 130
        assert terminal.settings == terminal.before


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_what_is_typed_before_a_job_reads_waits_for_it(programs: Programs, project: Path):
    """More than its terminal holds."""
    script = "stty raw -echo; echo ready; head -c 1; echo; head -c 49999 | wc -c"
    with shell_on(programs, project, script) as terminal:
        assert shows(terminal, "ready")
        for _ in range(50):
            os.write(terminal._master, b"y" * 1000)
            terminal.read()
        assert terminal.wait() == 0
        assert "49999" in terminal.text


def test_what_is_typed_before_the_job_is_there_reaches_it(programs: Programs, project: Path):
    with shell_on(programs, project, "read -r line; echo got $line") as terminal:
        terminal.type("early\n")
        assert terminal.wait() == 0
        assert "got early" in terminal.text


def in_a_script(programs: Programs, project: Path) -> Terminal:
    """Have a terminal with a script on it that runs us, and has no job control to put anything back by itself."""
    script = '"$@"; echo "ended $?"; read -r line'
    at_home = Programs(programs.home, ("bash", "-c", script, "bash"))
    return shell_on(at_home, project, "echo ready; exec cat")


def kill_client(terminal: Terminal) -> set[int]:
    """Kill the program that the script runs; return what was below it."""
    script = terminal.process.pid
    client = int(Path(f"/proc/{script}/task/{script}/children").read_text())
    below = descendants(client)
    os.kill(client, signal.SIGKILL)
    return below


def test_when_we_are_killed_our_terminal_is_as_before(programs: Programs, project: Path):
    with in_a_script(programs, project) as terminal:
        assert shows(terminal, "ready")
        assert is_raw(terminal)
        below = kill_client(terminal)
        assert shows(terminal, "ended 137")
        assert eventually(lambda: terminal.settings == terminal.before)
        assert eventually(lambda: not any(alive(pid) for pid in below))


def test_when_we_are_killed_what_somebody_else_has_set_since_stays(programs: Programs, project: Path):
    with in_a_script(programs, project) as terminal:
        assert shows(terminal, "ready")
        others = terminal.settings
        others[3] |= termios.ECHO
        termios.tcsetattr(terminal._slave, termios.TCSANOW, others)
        others = terminal.settings
        below = kill_client(terminal)
        assert eventually(lambda: not any(alive(pid) for pid in below))
        assert terminal.settings == others


def test_a_job_that_does_not_read_is_quit_whatever_was_typed_before(programs: Programs, project: Path):
    """What there is no place for is lost, with a bell."""
    with shell_on(programs, project, "stty raw -echo; echo ready; exec sleep 1000") as terminal:
        assert shows(terminal, "ready")
        assert "\a" not in terminal.text
        for _ in range(80):
            os.write(terminal._master, b"y" * (1 << 16))
        assert shows(terminal, "\a")
        terminal.type(QUIT)
        assert terminal.wait() == 130
        assert terminal.settings == terminal.before


def test_the_command_replaces_that_of_the_file(programs: Programs, project: Path):
    file = job_file(project, job("false"))
    with Terminal(programs, RUN, "--tty", "--file", file, "--", "sh", "-c", "exit 8", cwd=project) as terminal:
        assert terminal.wait() == 8


def test_without_a_terminal_it_says_what_to_do(programs: Programs, project: Path):
    done = programs.run(RUN, "--tty", "--", "true", cwd=project).check(2)
    assert "standard input is no terminal" in done.single_message
    assert "maelstrom-run --stdin" in done.err


@pytest.fixture
def somebody() -> Iterator[Programs]:
    """Run programs as an ordinary user on a terminal that is not theirs, as after `su`."""
    with ordinary_programs("somebody-") as made:
        yield made


def test_on_a_terminal_that_belongs_to_somebody_else(somebody: Programs):
    with shell_on(
        somebody, somebody.home, "echo ready; read -r line; echo read $line; yes | head -c 9999; exit 7"
    ) as terminal:
        assert shows(terminal, "ready")
        terminal.type("this\n")
        assert terminal.wait() == 7
        assert "read this" in terminal.text
        assert terminal.text.count("\r\ny") == 5000
        assert terminal.settings == terminal.before
