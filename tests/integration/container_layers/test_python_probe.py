"""Asking real interpreters about themselves, and what is shown for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maelstrom_container.doctor_host import ThisHost
from maelstrom_container.host import shows
from maelstrom_container.python_environment import plan_environment
from maelstrom_container.python_probe import probe_python
from maelstrom_container.shared_libraries import find_shared_libraries
from maelstrom_core.errors import SpecError


@pytest.fixture
def environment(tmp_path):
    """Make a virtual environment with a directory added by a .pth file."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    (tmp_path / "added").mkdir()
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (site / "added.pth").write_text(f"{tmp_path / 'added'}\n")
    return tmp_path / "env"


def test_interpreter_describes_itself():
    info = probe_python(sys.executable)
    assert info.version == sys.version_info[:3]
    assert Path(info.base_prefix).samefile(sys.base_prefix)
    assert Path(info.executable).samefile(sys.executable)


def test_virtual_environment_leads_to_its_base(environment):
    info = probe_python(str(environment / "bin" / "python"))
    assert info.prefix == str(environment)
    assert Path(info.base_prefix).samefile(sys.base_prefix)
    shown = plan_environment(info, homes=())
    for needed in (environment, environment.parent / "added"):
        assert any(shows(tree, str(needed.resolve())) for tree in shown.trees)


def test_answer_is_remembered_until_a_path_file_changes(environment, tmp_path):
    python, cache = str(environment / "bin" / "python"), tmp_path / "cache"
    first = probe_python(python, cache_directory=cache)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes().replace(b'"cpython"', b'"remembered"'))
    assert probe_python(python, cache_directory=cache).implementation == "remembered"
    (tmp_path / "more").mkdir()
    (Path(first.purelib) / "more.pth").write_text(f"{tmp_path / 'more'}\n")
    again = probe_python(python, cache_directory=cache)
    assert str(tmp_path / "more") in again.path
    assert again.implementation == first.implementation


def test_shim_script_is_asked_for_what_it_chooses(environment, tmp_path):
    shim = tmp_path / "shim"
    shim.write_text(f'#!/bin/sh\nexec "{environment}/bin/python" "$@"\n')
    shim.chmod(0o755)
    assert probe_python(str(shim)).executable == str(environment / "bin" / "python")


@pytest.mark.parametrize("script", ["exit 3", "echo nonsense", "echo; echo --maelstrom-python-probe--; echo '{}'"])
def test_what_is_no_python_is_the_users_error(tmp_path, script):
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    with pytest.raises(SpecError, match=str(fake)):
        probe_python(str(fake))


def test_missing_python_is_the_users_error():
    with pytest.raises(SpecError, match="not found"):
        probe_python("/nonexistent/python")


def test_lb19_libraries_of_a_real_binary_are_found_with_its_loader():
    found = find_shared_libraries([os.path.realpath("/bin/sh")])
    assert any("ld-" in path for path in found)
    assert any("libc" in path or "ld-musl" in path for path in found)
    assert all(Path(path).is_file() for path in found)


def test_doctor_tries_everything_and_leaves_nothing(tmp_path):
    attempt = ThisHost(tmp_path).attempt()
    assert {"whiteout", "opaque", "user namespace"} <= set(attempt)
    assert list(tmp_path.iterdir()) == []
