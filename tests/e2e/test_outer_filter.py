"""On a machine, or in a container, that refuses a system call which there is another one for."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.privileges import without_clone3
from tests.support.programs import RUN, Programs


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter of this test is for x86-64")
def test_a_machine_without_clone3_has_clone(programs: Programs, project: Path) -> None:
    """As in containers whose own filter cannot look at clone3's flags and says that there is no such call."""
    outside = replace(programs, prefix=without_clone3())
    script = "trap 'echo trapped' USR1; kill -USR1 $$; echo $$; exit 3"
    done = outside.run(RUN, "--", "sh", "-c", script, cwd=project)
    assert (done.code, done.out, done.err) == (3, "trapped\n1\n", "")
