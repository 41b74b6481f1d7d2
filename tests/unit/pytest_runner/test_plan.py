"""The jobs of a run: container, environment, requests, and which tests share a job."""

from __future__ import annotations

import json

import pytest

from maelstrom_core.spec import BindMount, Network, ProjectLayer, PythonEnvironmentLayer, Seccomp, TmpMount
from maelstrom_pytest.config import ISOLATION
from maelstrom_pytest.plan import (
    Isolation,
    collect_request,
    container,
    group,
    job,
    run_request,
)
from tests.unit.pytest_runner.builders import PYTHON, item, plan


def test_the_default_container_is_this_machine_sealed():
    spec = container(plan())
    assert PythonEnvironmentLayer("/venv/bin/python") in spec.layers
    assert ProjectLayer("/project") in spec.layers
    assert spec.network is Network.LOOPBACK
    assert spec.seccomp is Seccomp.DEFAULT
    assert spec.enable_writable_file_system is True
    assert spec.working_directory == "/project"
    assert BindMount("/.maelstrom/guest", "/cache/guest", read_only=True) in spec.mounts
    assert {mount.mount_point for mount in spec.mounts if isinstance(mount, TmpMount)} == {"/tmp", "/run", "/dev/shm"}


def test_values_of_variables_are_not_evaluated():
    (element,) = container(plan(environment={"A": "$env{HOME} $"})).environment
    assert element.vars == {"A": "$$env{HOME} $$"}


def test_isolation_has_the_names_that_the_configuration_knows():
    assert tuple(level.value for level in Isolation) == ISOLATION


def test_a_job_is_the_projects_interpreter_with_the_guest():
    spec = job(plan(), container(plan()), timeout=3.0)
    assert spec.program == PYTHON.executable
    assert spec.arguments[-1] == "/.maelstrom/guest"
    assert spec.timeout == 3.0


def test_requests_carry_the_native_arguments_and_the_selection():
    request = json.loads(run_request(plan(), [item("a.py::t", 1)], prune=False))
    assert request["args"] == ["-q"]
    assert request["select"] == [["a.py::t", 1, "/project/a.py"]]
    assert request["prune"] is False
    assert json.loads(collect_request(plan()))["mode"] == "collect"


ITEMS = [
    item("a.py::A::x[1]", class_="a.py::A", function="a.py::A::x"),
    item("a.py::A::x[2]", class_="a.py::A", function="a.py::A::x"),
    item("a.py::A::y", class_="a.py::A", function="a.py::A::y"),
    item("a.py::f"),
    item("b.py::f"),
    item("b.py::f", 1),
]


@pytest.mark.parametrize(
    ("isolation", "sizes"),
    [
        (Isolation.TEST, [1, 1, 1, 1, 1, 1]),
        (Isolation.FUNCTION, [2, 1, 1, 2]),
        (Isolation.CLASS, [3, 1, 2]),
        (Isolation.MODULE, [4, 2]),
        (Isolation.SESSION, [6]),
    ],
)
def test_isolation_says_how_many_tests_share_a_job(isolation, sizes):
    groups = group(ITEMS, isolation)
    assert [len(members) for members in groups] == sizes
    assert [member for members in groups for member in members] == ITEMS
