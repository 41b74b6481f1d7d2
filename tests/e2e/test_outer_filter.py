"""On a machine, or in a container, that refuses a system call which there is another one for."""

from __future__ import annotations

import errno
import platform
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from maelstrom_container import seccomp
from tests.support.programs import RUN, Programs

OUTER = """
import ctypes, os, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
program = ctypes.create_string_buffer(bytes.fromhex(sys.argv[1]))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
given = Program(len(program) // 8, ctypes.addressof(program))
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.byref(given), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter of this test is for x86-64")
def test_a_machine_without_clone3_has_clone(programs: Programs, project: Path) -> None:
    """As in containers whose own filter cannot look at clone3's flags and says that there is no such call."""
    clone3 = 435
    instructions = [
        (seccomp.LOAD, 0, 0, seccomp.NUMBER_AT),
        (seccomp.JUMP_IF_EQUAL, 0, 1, clone3),
        (seccomp.RETURN, 0, 0, seccomp.ERRNO | errno.ENOSYS),
        (seccomp.RETURN, 0, 0, seccomp.ALLOW),
    ]
    program = b"".join(seccomp.INSTRUCTION.pack(*instruction) for instruction in instructions)
    outside = replace(programs, prefix=(sys.executable, "-c", OUTER, program.hex()))
    script = "trap 'echo trapped' USR1; kill -USR1 $$; echo $$; exit 3"
    done = outside.run(RUN, "--", "sh", "-c", script, cwd=project)
    assert (done.code, done.out, done.err) == (3, "trapped\n1\n", "")
