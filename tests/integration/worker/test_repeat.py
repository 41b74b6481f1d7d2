"""Jobs that differ from the last one in their arguments only go a shorter way through a member; nobody can tell."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from maelstrom_core.job import Cancelled, ExecutionError, Exited, Job, Outcome, Signaled, TimedOut
from maelstrom_core.spec import BindMount
from tests.support.pool import PATH, Pool, container, shell


def said(outcome: Outcome) -> bytes:
    assert isinstance(outcome, Exited), outcome
    return outcome.effects.stdout.data


def test_each_has_its_own_arguments_output_and_exit_code(member: Pool) -> None:
    for number in (*range(20), 255):
        outcome = member.run(shell(f"echo {number}; echo error >&2; echo -n {'x' * number} >&3; exit {number}"))
        assert isinstance(outcome, Exited)
        effects = outcome.effects
        assert (outcome.code, effects.stdout.data) == (number, f"{number}\n".encode())
        assert (effects.stderr.data, effects.result.data) == (b"error\n", b"x" * number)
        assert 0 < effects.duration < 60
        assert effects.cpu_user + effects.cpu_system > 0


def test_each_has_a_container_of_its_own(member: Pool) -> None:
    for _ in range(3):
        assert said(member.run(shell("ls /tmp; touch /tmp/left; echo $$"))) == b"1\n"


@pytest.mark.parametrize("size", [1000, 60_000, 70_000, 900_000, 1_100_000])
def test_output_of_all_sizes(member: Pool, size: int) -> None:
    for _ in range(2):
        outcome = member.run(shell(f"yes | head -c {size}"))
        assert isinstance(outcome, Exited)
        stdout = outcome.effects.stdout
        assert (len(stdout.data), stdout.lost) == (min(size, 1_000_000), max(0, size - 1_000_000))


def test_arguments_of_all_sizes(member: Pool) -> None:
    member.run(shell("true"))
    for size in (10, 60_000, 70_000, 100_000, 10):
        assert said(member.run(shell(f"echo {'x' * size}"))) == b"x" * size + b"\n"


def test_timeouts_signals_and_cancelling(member: Pool) -> None:
    member.run(shell("true", timeout=1.0))
    assert isinstance(member.run(shell("sleep 100", timeout=1.0)), TimedOut)
    member.run(shell("true"))
    assert isinstance(member.run(shell("exec python3 -c 'import ctypes; ctypes.string_at(0)'")), Signaled)
    member.run(shell("true"))
    number = member.start(shell("sleep 100"))
    time.sleep(0.3)
    member.cancel(number)
    assert member.wait(number) == Cancelled()
    assert said(member.run(shell("echo fine"))) == b"fine\n"


def test_a_program_that_is_gone_and_an_argument_with_nul(member: Pool, tmp_path: Path) -> None:
    program = tmp_path / "program"
    within = container(mounts=(BindMount("/mnt", str(tmp_path)),))
    messages: list[str] = []
    for argument in ("1", "2", "3"):
        if argument == "2":
            program.write_text("#!/bin/sh\necho $1\n")
            program.chmod(0o755)
        if argument == "3":
            os.unlink(program)
        outcome = member.run(Job(container=within, program="/mnt/program", arguments=(argument,)))
        messages.append(outcome.message if isinstance(outcome, ExecutionError) else said(outcome).decode())
    assert messages[1] == "2\n"
    assert messages[0] == messages[2] == "failed to execute /mnt/program: No such file or directory"
    member.run(shell("true"))
    outcome = member.run(shell("echo \0"))
    assert isinstance(outcome, ExecutionError)
    assert "NUL" in outcome.message
    assert said(member.run(shell("echo fine"))) == b"fine\n"


def test_each_has_its_own_variables(member: Pool) -> None:
    for variables in (("OWN=1",), ("OWN=2 = x",), (), ("OWN=ü", "MORE=" + "x" * 60_000), ("OWN=4",)):
        outcome = member.run(shell('echo "$OWN,${#MORE},$PATH"', variables=variables))
        own = dict(variable.split("=", 1) for variable in variables)
        assert said(outcome).decode() == f"{own.get('OWN', '')},{len(own.get('MORE', ''))},{PATH[5:]}\n"


def test_a_variable_with_nul(member: Pool) -> None:
    member.run(shell("true", variables=("OWN=1",)))
    outcome = member.run(shell("true", variables=("OWN=\0",)))
    assert isinstance(outcome, ExecutionError)
    assert "NUL" in outcome.message
