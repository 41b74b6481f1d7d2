"""maelstrom-pytest --pdb on a real terminal."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from maelstrom_test_runner.lines import plain
from tests.support.programs import PYTEST, Programs, Terminal, alive, descendants, eventually, write_project
from tests.support.terminals import QUIT, is_raw

FAILING = """
import pytest

def test_fails():
    value = 41
    assert value == 42, "no"

@pytest.fixture
def broken():
    inside = "fixture"
    raise RuntimeError(inside)

def test_error(broken): pass

def test_good(): pass
"""
BREAKING = """
import os
def test_stops():
    value = 41
    breakpoint()
    assert value == 42
"""
PROMPT = "(Pdb) "


def at_prompt(terminal: Terminal, number: int) -> bool:
    """Wait for the prompt to be there for the so-manieth time."""
    return eventually(lambda: terminal.read() and plain(terminal.text).count(PROMPT) >= number)


def debug(programs: Programs, project: Path, *options: str) -> Terminal:
    return Terminal(programs, PYTEST, "--pdb", "--slots", "1", *options, cwd=project)


@pytest.mark.parametrize("options", [(), ("--ui", "simple", "--no-template"), ("--isolation", "module")])
def test_tests_that_fail_open_pdb_one_after_the_other(programs: Programs, project: Path, options: tuple[str, ...]):
    write_project(project, {"test_a.py": FAILING})
    with debug(programs, project, *options) as terminal:
        assert at_prompt(terminal, 1)
        assert is_raw(terminal)
        terminal.type("p value + 1000, __import__('os').path.exists('/.maelstrom')\n")
        assert eventually(lambda: terminal.read() and "(1041, True)" in terminal.text)
        terminal.type("c\n")
        assert at_prompt(terminal, 3)
        terminal.type("p inside * 2\n")
        assert eventually(lambda: terminal.read() and "'fixturefixture'" in terminal.text)
        assert "FAIL" in plain(terminal.text)  # of the first one: told when it was over
        terminal.type("c\n")
        assert terminal.wait() == 1
        assert "as pytest counts: 1 failed, 1 passed, 1 error" in plain(terminal.text)
        assert terminal.settings == terminal.before


def test_a_breakpoint_stops_there_and_what_comes_then_is_the_verdict(programs: Programs, project: Path):
    write_project(project, {"test_a.py": BREAKING})
    with debug(programs, project) as terminal:
        assert at_prompt(terminal, 1)
        terminal.type("value = 42\n")
        assert at_prompt(terminal, 2)
        terminal.type("c\n")
        assert terminal.wait() == 0
        assert "as pytest counts: 1 passed" in plain(terminal.text)


def test_quitting_pdb_ends_the_run(programs: Programs, project: Path):
    write_project(project, {"test_a.py": FAILING})
    with debug(programs, project, "-k", "fails or error") as terminal:
        assert at_prompt(terminal, 1)
        terminal.type("q\n")
        assert terminal.wait() == 1
        assert "Tests Not Run   : 1" in plain(terminal.text)
        assert terminal.settings == terminal.before


@pytest.mark.parametrize(("key", "code"), [(QUIT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_the_escape_character_and_signals_end_it_and_leave_nothing(
    programs: Programs, project: Path, key: str | signal.Signals, code: int
):
    write_project(project, {"test_a.py": FAILING})
    with debug(programs, project) as terminal:
        assert at_prompt(terminal, 1)
        below = descendants(terminal.process.pid)
        if isinstance(key, str):
            terminal.type(key)
        else:
            terminal.process.send_signal(key)
        assert terminal.wait() == code
        assert terminal.settings == terminal.before
        assert eventually(lambda: not any(alive(pid) for pid in below))
        assert "Traceback (most recent" not in terminal.text


def test_an_interrupt_reaches_the_test_once(programs: Programs, project: Path):
    """The reaper in front of pytest passes on no signal that the terminal sends to both."""
    counting = """
import signal
def test_counts():
    seen = []
    breakpoint()
    signal.signal(signal.SIGINT, lambda *_: seen.append(1))  # pdb has had one of its own
    print("waiting", flush=True)
    signal.pause()
    signal.sigtimedwait([signal.SIGUSR1], 0.2)
    print("seen", len(seen), flush=True)
    assert len(seen) == 1
"""
    write_project(project, {"test_a.py": counting})
    with debug(programs, project, "--", "-s") as terminal:
        assert at_prompt(terminal, 1)
        terminal.type("c\n")
        assert eventually(lambda: terminal.read() and "waiting\r\n" in terminal.text)
        terminal.type("\x03")
        terminal.wait()
        assert "seen 1" in terminal.text


def test_what_ended_meanwhile_is_not_lost(programs: Programs, project: Path):
    """A test that ends while another has the terminal is told of afterwards, also where ^C is the end."""
    waiting = (
        "import os\ndef test_waits():\n    while not os.path.exists('{0}'): os.sched_yield()\n    os.unlink('{0}')\n"
    )
    sign = project / "shared" / "sign"
    write_project(project, {"test_a.py": BREAKING, "test_b.py": waiting.format("/shared/sign"), "shared/nothing": ""})
    mount = f'{{ type = "bind", mount_point = "/shared", local_path = "{sign.parent}" }}'
    write_project(project, {"maelstrom-pytest.toml": f"[[directives]]\nadded_mounts = [{mount}]\n"})
    with Terminal(programs, PYTEST, "--pdb", "--slots", "2", "--report", "run.jsonl", cwd=project) as terminal:
        assert at_prompt(terminal, 1)
        sign.write_text("")
        assert eventually(lambda: not sign.exists())
        terminal.type("p 6 * 7\n")
        assert at_prompt(terminal, 2)
        assert "test_waits" not in (project / "run.jsonl").read_text().partition('"suspended"')[2]
        terminal.type("c\n")
        assert at_prompt(terminal, 3)  # where it fails
        terminal.type("c\n")
        assert terminal.wait() == 1
        rest = (project / "run.jsonl").read_text().partition('"resumed"')[2]
        assert '"test_b.py::test_waits"' in rest
        assert "as pytest counts: 1 failed, 1 passed" in plain(terminal.text)


def test_pdb_needs_a_terminal(programs: Programs, project: Path):
    write_project(project, {"test_a.py": FAILING})
    for options in (("--pdb",), ("--", "--pdb")):
        done = programs.run(PYTEST, *options, cwd=project).check(2)
        assert "failed to offer pdb for tests that fail: standard input is no terminal" in done.single_message


def test_pdb_and_shown_output_exclude_each_other(programs: Programs, project: Path):
    with debug(programs, project, "--show-output") as terminal:
        assert terminal.wait() == 2
        assert "--pdb and --show-output exclude each other" in terminal.text
