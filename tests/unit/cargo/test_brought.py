"""Coverage that comes with results: what is told apart, and what the shell in front of a test does."""

from __future__ import annotations

import subprocess

import pytest

from cargo_maelstrom.brought import MAGIC, SCRIPT, bringing, split
from cargo_maelstrom.coverage import Measured
from maelstrom_core.job import Cancelled, Effects, Exited, Output, Signaled, TimedOut
from maelstrom_core.spec import ContainerSpec, JobSpec

PROFILES = MAGIC + b"one" + MAGIC + b"two"


def effects(result: bytes, lost: int = 0) -> Effects:
    return Effects(result=Output(result, lost))


def test_what_is_logged_stands_before_the_profiles():
    log = effects(b"ok a\n")
    assert split(Exited(0, effects(b"ok a\n" + PROFILES))) == (Exited(0, log), PROFILES)
    assert split(Exited(0, log)) == (Exited(0, log), b"")
    assert split(Exited(0, effects(PROFILES, lost=1)))[1] == b""
    assert split(Cancelled()) == (Cancelled(), b"")


def test_who_is_killed_below_the_shell_is_killed():
    assert split(Exited(134, effects(b""))) == (Signaled(6, effects(b"")), b"")
    for code in (101, 255):
        assert split(Exited(code, effects(b"")))[0] == Exited(code, effects(b""))
    assert split(TimedOut(effects(b"")))[0] == TimedOut(effects(b""))


def test_elsewhere_processes_leave_profiles_in_their_containers():
    assert Measured("/d", "/d/p", 4, elsewhere=True).variables() == {
        "LLVM_PROFILE_FILE": "/tmp/.maelstrom-coverage/%1m.profraw"
    }


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -ABRT $$", 134)])
def test_the_shell_brings_what_is_there_and_ends_as_the_program(tmp_path, script, code):
    spec = bringing(JobSpec(container=ContainerSpec(), program="/bin/sh", arguments=("-c", script)))
    assert spec.arguments[1] == SCRIPT
    words = [SCRIPT.replace("/tmp/.maelstrom-coverage", str(tmp_path)), *spec.arguments[2:]]
    for files in ({}, {"a.profraw": b"a", "b.profraw": b"b"}):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        command = ["sh", "-c", f'exec 3>"{tmp_path}/result"; exec sh -c "$@"', "sh", *words]
        done = subprocess.run(command, capture_output=True, check=False)
        assert (done.returncode, (tmp_path / "result").read_bytes()) == (code, b"".join(files.values()))
