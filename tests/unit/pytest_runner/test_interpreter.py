"""Choosing the interpreter of a project, finding its pytest, and staging the guest for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from maelstrom_container.python_probe import PythonInfo
from maelstrom_core.errors import SpecError, UserError
from maelstrom_pytest import guest_files
from maelstrom_pytest.interpreter import Interpreter, choose, find_pytest, locate, release, require_usable

THIS = Interpreter(sys.executable, sys.version_info[:3], pytest.__version__, sys.implementation.cache_tag)


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho nonsense\n")
    path.chmod(0o755)
    return path


def test_the_named_the_active_the_projects_own_the_one_on_path_in_this_order(tmp_path):
    on_path = executable(tmp_path / "bin" / "python3")
    environment = {"PATH": str(on_path.parent)}
    assert locate(None, tmp_path, tmp_path, environment) == on_path
    own = executable(tmp_path / "venv" / "bin" / "python")
    assert locate(None, tmp_path, tmp_path, environment) == own
    hidden = executable(tmp_path / ".venv" / "bin" / "python")
    assert locate(None, tmp_path, tmp_path, environment) == hidden
    active = executable(tmp_path / "active" / "bin" / "python")
    assert locate(None, tmp_path, tmp_path, {**environment, "VIRTUAL_ENV": str(tmp_path / "active")}) == active
    assert locate(str(on_path), tmp_path, tmp_path, {"VIRTUAL_ENV": str(tmp_path / "active")}) == on_path


def test_in_a_subdirectory_the_environment_at_the_projects_root_is_found(tmp_path):
    own = executable(tmp_path / ".venv" / "bin" / "python")
    assert locate(None, tmp_path / "tests", tmp_path, {"PATH": ""}) == own


def test_a_virtual_environments_link_is_not_resolved(tmp_path):
    real = executable(tmp_path / "real")
    link = tmp_path / ".venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert locate(None, tmp_path, tmp_path, {"PATH": ""}) == link


def test_no_interpreter_at_all_is_the_users_to_mend(tmp_path):
    with pytest.raises(UserError, match="failed to find a Python") as caught:
        locate(None, tmp_path, tmp_path, {"PATH": str(tmp_path)})
    assert "--python" in caught.value.hint
    with pytest.raises(UserError, match="no-such-python"):
        locate("no-such-python", tmp_path, tmp_path, {"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("found", "message", "hint"),
    [
        (Interpreter("/v/python", (3, 12, 1), None), "failed to find pytest", "/v/python -m pip install pytest"),
        (Interpreter("/v/python", (3, 12, 1), "6.2.5"), "pytest 6.2.5", "pip install --upgrade 'pytest>=7'"),
    ],
)
def test_what_cannot_run_the_tests_is_refused_with_the_way_out(found, message, hint):
    with pytest.raises(UserError, match=message) as caught:
        require_usable(found)
    assert hint in caught.value.hint


def info(*places: Path) -> PythonInfo:
    unused = dict.fromkeys(PythonInfo.__struct_fields__, "")
    lists = dict.fromkeys(("path", "site_packages", "editable", "direct_urls"), ())
    known = {"version": (3, 12, 1), "executable": "/chosen/python", "path": tuple(map(str, places))}
    return PythonInfo(**(unused | lists | {"user_site": None, "cache_tag": "cpython-312"} | known))


def test_the_interpreter_that_answers_is_taken_with_the_pytest_it_would_import(tmp_path):
    (tmp_path / "site" / "pytest-8.3.4.dist-info").mkdir(parents=True)
    named = str(executable(tmp_path / "shim"))
    chosen = choose(named, tmp_path, tmp_path, {}, prober=lambda _path: info(tmp_path / "none", tmp_path / "site"))
    assert chosen == Interpreter("/chosen/python", (3, 12, 1), "8.3.4", "cpython-312")


def test_pythonpath_comes_first(tmp_path):
    (tmp_path / "site" / "pytest-8.3.4.dist-info").mkdir(parents=True)
    (tmp_path / "mine" / "pytest-9.0.1.dist-info").mkdir(parents=True)
    environment = {"PYTHONPATH": f"{tmp_path / 'none'}::mine"}
    chosen = choose(sys.executable, tmp_path, tmp_path, environment, prober=lambda _path: info(tmp_path / "site"))
    assert chosen.pytest == "9.0.1"


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("pytest-7.2.1.dist-info", "7.2.1"),
        ("pytest-9.1.0.dev3+gabc.dist-info", "9.1.0.dev3+gabc"),
        ("pytest-7.2.1-py3.11.egg-info", "7.2.1"),
        ("pytest-7.2.1.egg-info", "7.2.1"),
        ("pytest_xdist-3.6.1.dist-info", None),
        ("pytest-cov-4.0-py3.8.egg-info", None),
        ("~ytest-8.0.0.dist-info", None),
    ],
)
def test_pytest_is_known_by_its_metadata(tmp_path, name, version):
    (tmp_path / name).mkdir()
    assert find_pytest([str(tmp_path / "none"), str(tmp_path)]) == version


def test_a_copy_of_pytest_without_metadata_is_known_by_its_version_file(tmp_path):
    (tmp_path / "pytest").mkdir()
    assert find_pytest([str(tmp_path)]) is None
    (tmp_path / "_pytest").mkdir()
    (tmp_path / "_pytest" / "_version.py").write_text("TYPE_CHECKING = False\n__version__ = version = '8.1.2'\n")
    assert find_pytest([str(tmp_path)]) == "8.1.2"


def test_the_pytest_that_runs_this_is_found():
    assert find_pytest(sys.path) == pytest.__version__


def test_an_executable_that_is_no_python_is_named(tmp_path):
    with pytest.raises(SpecError, match=f"failed to ask {tmp_path / 'python'}"):
        choose(str(executable(tmp_path / "python")), tmp_path, tmp_path, {"PATH": os.defpath})


@pytest.mark.parametrize(("text", "numbers"), [("7.0.0rc1", (7, 0)), ("9", (9, 0)), ("x.y", (0, 0)), ("", (0, 0))])
def test_versions_of_any_form_have_two_numbers(text, numbers):
    assert release(text) == numbers


def test_the_guest_is_staged_once_and_compiled(tmp_path):
    first = guest_files.stage(tmp_path, THIS, "/guest")
    inode = first.stat().st_ino
    assert guest_files.stage(tmp_path, THIS, "/guest") == first
    assert first.stat().st_ino == inode
    assert {path.name for path in first.glob("*.py")} == {f"{module}.py" for module in guest_files.MODULES}
    assert len(list(first.glob("__pycache__/*.pyc"))) == len(guest_files.MODULES)
    assert [path for path in first.parent.iterdir() if path != first] == []


def test_all_modules_of_the_guest_are_staged():
    modules = {path.stem for path in guest_files.SOURCE.glob("*.py")} - {"__init__"}
    assert modules == set(guest_files.MODULES)
