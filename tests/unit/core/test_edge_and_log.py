"""The edge of programs, and logging."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from maelstrom_core import log
from maelstrom_core.edge import run_program
from maelstrom_core.errors import HostError, SpecError
from maelstrom_core.log_format import PACKAGES, TerminalFormatter, fields, set_up


def raising(error: BaseException):
    def main() -> int:
        raise error

    return main


def test_exit_code_of_main_is_that_of_the_program():
    assert run_program("p", lambda: 5) == 5


def test_users_error_is_a_message_with_a_hint_and_no_traceback(capsys):
    assert run_program("p", raising(SpecError("x is wrong", hint="mend it"))) == 2
    assert capsys.readouterr().err == "p: x is wrong\n  hint: mend it\n"


def test_hosts_error_has_its_own_exit_code(capsys):
    assert run_program("p", raising(HostError("no namespaces"))) == 3
    assert capsys.readouterr().err == "p: no namespaces\n"


def test_error_alone_in_a_group_is_shown_like_itself(capsys):
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [SpecError("x is wrong")])])
    assert run_program("p", raising(group)) == 2
    assert capsys.readouterr().err == "p: x is wrong\n"


def test_interruption(capsys):
    assert run_program("p", raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "p: interrupted\n"


@pytest.mark.parametrize("error", [ValueError("oops"), ConnectionResetError("oops")])
def test_anything_else_is_a_bug_with_a_traceback(capsys, error):
    assert run_program("p", raising(error)) == 70
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "please report" in text


def test_output_without_reader_ends_the_program_quietly(capsys, monkeypatch):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        def main() -> int:
            print("x" * 100_000)
            return 0

        assert run_program("p", main) == 141
    assert capsys.readouterr().err == ""


def test_other_pipe_that_breaks_is_a_bug(capsys, monkeypatch):
    with Path(os.devnull).open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr("maelstrom_core.edge._output_is_broken", lambda: False)
        assert run_program("p", raising(BrokenPipeError())) == 70
    assert "please report" in capsys.readouterr().err


def record(message: str, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelno": level, "levelname": logging.getLevelName(level), **extra})
    made.created, made.msecs = 1_700_000_000.0, 7.0
    return made


def test_log_line_has_time_level_message_and_fields():
    line = TerminalFormatter().format(record("job done", **fields(job=3, slot="a")))
    assert re.fullmatch(r"Nov 1[45] \d\d:\d\d:20\.007 INFO job done, job: 3, slot: a", line)


def test_control_characters_do_not_reach_the_terminal():
    assert TerminalFormatter().format(record("a\x1b[2J\nb")).endswith(r"a\x1b[2J\x0ab")


@pytest.fixture
def logging_restored():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def threshold_restored(monkeypatch):
    monkeypatch.setattr(log, "threshold", log.WARNING)


def test_what_nobody_wants_to_see_imports_nothing():
    code = (
        "import sys; from maelstrom_core import log; log.listen('warning'); log.info('x', a=1); log.debug('y'); "
        "print('logging' in sys.modules)"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout == b"False\n"


@pytest.mark.usefixtures("logging_restored", "threshold_restored")
def test_what_is_listened_for_is_shown(capsys):
    log.info("not yet")
    log.listen("info")
    logging.getLogger("tests").setLevel(logging.DEBUG)
    log.info("seen", job=3)
    log.debug("too fine")
    log.listen("debug")
    log.debug("fine", job=4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 3)[3] for line in lines] == ["INFO seen, job: 3", "DEBUG fine, job: 4"]


def test_whatever_is_ours_is_heard():
    house = Path(log.__file__).parents[2]
    folders = ("core", "container", "worker", "broker", "clients")
    ours = {path.parent.name for folder in folders for path in (house / folder).glob("*/__init__.py")}
    assert set(PACKAGES) == ours


@pytest.mark.usefixtures("logging_restored")
def test_level_counts_for_our_loggers_and_warnings_for_others():
    stream = io.StringIO()
    set_up(log.INFO, io.StringIO())
    set_up(log.INFO, stream)
    logging.getLogger("maelstrom_core.x").info("ours")
    logging.getLogger("maelstrom_core.x").debug("too fine")
    logging.getLogger("asyncio").info("others")
    logging.getLogger("asyncio").warning("important")
    assert [line.split(" ", 3)[3] for line in stream.getvalue().splitlines()] == ["INFO ours", "WARNING important"]
