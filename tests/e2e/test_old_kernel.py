"""A kernel too old for containers without root is named, and which one will do: `make vm` runs this on such kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_container.doctor import OLDEST_KERNEL
from maelstrom_container.doctor_host import ThisHost
from tests.support.programs import PYTEST, RUN, Programs, write_project

VERSION = ThisHost(Path("/")).kernel()

pytestmark = pytest.mark.skipif(VERSION >= OLDEST_KERNEL, reason="this kernel is new enough")


@pytest.mark.parametrize("program", [RUN, PYTEST])
def test_a_kernel_that_is_too_old_is_named_with_what_to_do(programs: Programs, project: Path, program: str) -> None:
    write_project(project, {"test_a.py": "def test_a(): pass"})
    done = programs.run(program, *(("--", "true") if program == RUN else ()), cwd=project).check(3)
    assert f"Linux {VERSION[0]}.{VERSION[1]}" in done.single_message
    assert f"run Linux {OLDEST_KERNEL[0]}.{OLDEST_KERNEL[1]} or newer" in done.err


def test_the_doctor_says_that_it_is_too_old(programs: Programs, project: Path) -> None:
    done = programs.run(RUN, "--doctor", cwd=project).check(3)
    (line,) = (line for line in done.out.splitlines() if " kernel " in line)
    assert line.startswith("missing")
