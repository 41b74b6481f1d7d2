"""What pytest-cov is told to write elsewhere: found, shown to the job that reports, and left as it was without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_core.errors import UserError
from maelstrom_core.spec import BindMount, ContainerSpec, EnvironmentElement
from maelstrom_pytest.coverage_places import MOUNT_POINT, Granted, Places, named


def test_what_arguments_and_environment_name_outside_is_found():
    arguments = ["--cov", "--cov-report=xml:/there/c.xml", "--cov-report", "html:../html", "--cov-report=json:in/c.js"]
    environment = {"PYTEST_ADDOPTS": "--cov-report=lcov:../'a b'", "COVERAGE_FILE": "../data"}
    assert named(arguments, environment, "/home/p") == Places(
        files=("/home/a b", "/there/c.xml"), directories=("/home/html",), data="/home/data"
    )


def test_the_last_of_a_kind_counts():
    arguments = ["--cov-report=xml:/there/c.xml", "--cov-report=xml:c.xml"]
    assert named(arguments, {}, "/p") == Places()


@pytest.mark.parametrize(
    "arguments", [[], ["--cov-report"], ["--cov-report=term-missing:skip-covered"], ["--cov-report=xml"], ["xml:/x"]]
)
def test_nothing_is_named_elsewhere(arguments):
    assert named(arguments, {"COVERAGE_FILE": "below/data", "PYTEST_ADDOPTS": "'"}, "/p") == Places()


def places(directory):
    return Places((f"{directory}/new/a.xml",), (f"{directory}/html",), f"{directory}/data")


def test_what_is_written_is_bound_and_the_data_file_is_worked_on_in_a_copy(tmp_path):
    (tmp_path / "data").write_text("before")
    with Granted(places(tmp_path)) as granted:
        spec = granted.container(ContainerSpec(mounts=(), environment=()))
        file, directory, scratch = spec.mounts
        assert (file.mount_point, directory.local_path) == (f"{tmp_path}/new/a.xml", f"{tmp_path}/html")
        assert isinstance(scratch, BindMount)
        assert spec.environment == (EnvironmentElement({"COVERAGE_FILE": f"{MOUNT_POINT}/data"}),)
        made = tmp_path / "scratch"
        made.symlink_to(scratch.local_path)
        assert (made / "data").read_text() == "before"
        (made / "data").write_text("after")
        (tmp_path / "new" / "a.xml").write_text("<x/>")
    assert (tmp_path / "data").read_text() == "after"
    assert (tmp_path / "new" / "a.xml").exists()
    assert not (tmp_path / "html").exists()  # nothing was written to it
    assert not made.exists()


def test_a_link_that_a_job_left_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    granted = Granted(places(tmp_path))
    granted.__enter__()
    scratch = Path(granted.container(ContainerSpec(mounts=(), environment=())).mounts[-1].local_path)
    (scratch / "data").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="failed to write the report of coverage"):
        granted.__exit__(None)
    assert not scratch.exists()
    assert not (tmp_path / "data").exists()


def test_a_place_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    path = f"{tmp_path}/file/a.xml"
    with pytest.raises(UserError, match=path), Granted(Places(files=(path,))):
        pass
