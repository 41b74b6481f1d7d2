"""The shell of a test: which test is meant, and how it is run there."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import Cancelled, Effects, ExecutionError, Exited, Signaled, SystemFailure
from maelstrom_core.spec import ContainerSpec, WindowSize
from maelstrom_pytest.cli import run_cli
from maelstrom_pytest.shell import choose_test, command_for
from maelstrom_test_runner.shells import exit_code, shell_job
from tests.unit.pytest_runner import builders

ITEMS = [builders.item(name) for name in ("a.py::test_x[1]", "a.py::test_x[2]", "a.py::T::test_y", "b.py::test_y2")]


@pytest.mark.parametrize(
    ("name", "nodeid"),
    [
        ("a.py::test_x[2]", "a.py::test_x[2]"),
        ("test_x[1]", "a.py::test_x[1]"),
        ("T::test_y", "a.py::T::test_y"),
        ("test_y", "a.py::T::test_y"),
        ("b.py::test_y2", "b.py::test_y2"),
    ],
)
def test_a_test_is_named_by_its_node_id_or_the_end_of_it(name, nodeid):
    assert choose_test(ITEMS, name, selected=False).nodeid == nodeid


@pytest.mark.parametrize("name", ["test_z", "est_y", "a.py", "x[1]", ""])
def test_what_is_not_there_is_said(name):
    with pytest.raises(UserError, match="there is no test"):
        choose_test(ITEMS, name, selected=False)


def test_several_are_named_up_to_a_number():
    many = [builders.item(f"a.py::test_x[{number}]") for number in range(12)]
    with pytest.raises(UserError) as caught:
        choose_test(many, "test_x", selected=False)
    assert "12 tests match test_x\n    a.py::test_x[0]\n" in caught.value.message
    assert caught.value.message.endswith("test_x[9]\n    and 2 more")


def test_what_pytest_selected_is_meant_whatever_it_is_called():
    assert choose_test(ITEMS[3:], "sub/../b.py", selected=True).nodeid == "b.py::test_y2"
    with pytest.raises(UserError, match=r"4 tests match a\.py"):
        choose_test(ITEMS, "a.py", selected=True)
    with pytest.raises(UserError, match="there is no test"):
        choose_test([], "a.py", selected=True)


def test_of_several_with_a_name_that_begins_alike_the_exact_one_is_meant():
    both = [builders.item("a.py::test_x"), builders.item("a.py::test_x[1]", function="a.py::test_x")]
    assert choose_test(both, "a.py::test_x", selected=False).nodeid == "a.py::test_x"


def test_the_command_is_one_for_the_directory_of_the_run():
    plan = builders.plan(directory="/project/sub")
    item = builders.item("sub/test a.py::test_x['1']")
    command = command_for(plan, item, "/project", ("-p", "no:x y"))
    assert shlex.split(command)[1:] == ["-m", "pytest", "test a.py::test_x['1']", "-p", "no:x y"]


def test_the_command_reaches_the_history_whatever_it_holds():
    """Through two shells: the job's own, and bash's start-up file."""
    command = shlex.join(["python", "-m", "pytest", "a.py::test[$(touch x)`'\"\\-MAELSTROM-END]"])
    spec = shell_job(ContainerSpec(), command, WindowSize(1, 2))
    script = spec.arguments[1].replace("exec bash --init-file /dev/fd/9", "exec cat /dev/fd/9")
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    line = next(line for line in shown.splitlines() if line.startswith("history -s -- "))
    assert shlex.split(line)[3:] == [command]


def test_a_command_of_several_lines_is_not_written_into_the_script():
    spec = shell_job(ContainerSpec(), "python\nMAELSTROM-END\nrm", WindowSize(1, 2))
    assert spec.arguments == ("-c", "exec sh -i")


def test_the_shell_says_how_it_ends():
    assert exit_code(Exited(7, Effects())) == 7
    assert exit_code(Signaled(15, Effects())) == 143
    with pytest.raises(SpecError, match="failed to start a shell: no sh"):
        exit_code(ExecutionError("no sh"))
    with pytest.raises(InfrastructureError, match="lost"):
        exit_code(SystemFailure("lost"))
    with pytest.raises(InfrastructureError, match="cancelled"):
        exit_code(Cancelled())


@pytest.fixture
def no_configuration(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("MAELSTROM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))


@pytest.mark.usefixtures("no_configuration")
def test_shell_takes_one_test_and_what_is_pytests():
    asked = []

    def run(config, request):
        asked.append((config.escape_char, request.shell, request.arguments))
        return 5

    assert run_cli(["--shell", "a.py::x", "--escape-char", "~", "--", "-p", "y"], run) == 5
    assert asked == [(ord("~"), "a.py::x", ("-p", "y"))]


@pytest.mark.usefixtures("no_configuration")
@pytest.mark.parametrize("other", [["b.py"], ["-k", "x"], ["-m", "x"], ["--last-failed"]])
def test_shell_excludes_other_selections(capsys, other):
    assert run_cli(["--shell", "a.py::x", *other]) == 2
    assert "takes no other selection" in capsys.readouterr().err
