"""On a host that forbids user namespaces every program says so, once, with the switch to turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.privileges import WITHOUT_USER_NAMESPACES, can_forbid_user_namespaces
from tests.support.programs import PYTEST, RUN, Programs, shell_job, write_project

SWITCH = "sysctl -w user.max_user_namespaces="


@pytest.fixture
def forbidden(programs: Programs) -> Programs:
    if not can_forbid_user_namespaces():
        pytest.skip("this host does not let the test make a user namespace of its own")
    return replace(programs, prefix=WITHOUT_USER_NAMESPACES)


def test_a_command(forbidden: Programs, project: Path):
    done = forbidden.run(RUN, "--", "true", cwd=project).check(3)
    assert "failed to set up a container on this host" in done.single_message
    assert SWITCH in done.err
    assert done.out == ""


def test_a_stream(forbidden: Programs, project: Path):
    done = forbidden.jobs(shell_job("true"), shell_job("true"), cwd=project).check(3)
    assert done.single_message.count(SWITCH) == 1


def test_pytest(forbidden: Programs, project: Path):
    done = forbidden.run(PYTEST, cwd=write_project(project, {"test_a.py": "def test_a(): pass\n"})).check(3)
    assert done.single_message.count(SWITCH) == 1
    assert done.out == ""


def test_the_doctor_names_the_switch(forbidden: Programs, project: Path):
    done = forbidden.run(RUN, "--doctor", cwd=project).check(3)
    assert "missing   user namespaces" in done.out
    assert SWITCH in done.out
    assert done.err == ""


def test_the_doctor_is_content_where_containers_work(programs: Programs, project: Path):
    done = programs.run(RUN, "--doctor", cwd=project).check(0)
    assert "missing" not in done.out
