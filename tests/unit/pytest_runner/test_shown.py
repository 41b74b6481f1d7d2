"""What tests see of the caller's files: roots of projects, and what arguments and PYTHONPATH name."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_core.errors import SpecError
from maelstrom_core.spec import ProjectLayer, Symlink, SymlinksLayer
from maelstrom_pytest.shown import find_root, shown_layers


def tree(root: Path, *names: str) -> Path:
    """Make files, and directories where the name ends in a slash."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


@pytest.mark.parametrize(
    ("names", "called", "root"),
    [
        (["a/.git/", "a/b/pyproject.toml", "a/b/tests/"], "a/b/tests", "a"),
        (["a/.git", "a/b/"], "a/b", "a"),  # a file, in a work tree of git
        (["a/.hg/", "a/b/.git/", "a/b/c/"], "a/b/c", "a/b"),
        (["a/pyproject.toml", "a/b/setup.py", "a/b/tests/x/"], "a/b/tests/x", "a"),
        (["a/pyproject.toml", "a/b/c/setup.cfg", "a/b/c/d/"], "a/b/c/d", "a/b/c"),  # not consecutive
        (["a/b/"], "a/b", "a/b"),
        (["a/tox.ini", "a/b/"], "a/b", "a"),
    ],
)
def test_the_root_of_a_project(tmp_path, names, called, root):
    assert find_root(tree(tmp_path, *names) / called, homes=()) == tmp_path / root


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("pytest.ini", "", True),
        ("pyproject.toml", "[tool.pytest.ini_options]\n", True),
        ("pyproject.toml", "[tool.ruff]\n", False),
        ("setup.cfg", "[tool:pytest]\n", True),
        ("tox.ini", "[tox]\n", False),
    ],
)
def test_the_root_reaches_up_to_where_pytest_finds_its_configuration(tmp_path, file, text, found):
    inner = tree(tmp_path, "a/b/.git/", "a/b/c/") / "a/b"
    (tmp_path / "a" / file).write_text(text)
    assert find_root(inner / "c", homes=()) == (tmp_path / "a" if found else inner)


def test_a_home_directory_is_never_the_root_of_what_lies_below(tmp_path):
    tree(tmp_path, ".git/", "home/.git/", "home/pytest.ini", "home/a/b/", "home/a/setup.py")
    homes = (str(tmp_path / "home"),)
    assert find_root(tmp_path / "home/a/b", homes) == tmp_path / "home/a"
    assert find_root(tmp_path / "home", homes) == tmp_path / "home"


def test_a_directory_that_everybody_writes_to_is_no_project(tmp_path):
    tree(tmp_path, "shared/.git/", "shared/pytest.ini", "shared/a/")
    (tmp_path / "shared").chmod(0o1777)
    assert find_root(tmp_path / "shared/a", ()) == tmp_path / "shared/a"


def layers(directory: Path, *arguments: str, pythonpath: str = "", homes: tuple[str, ...] = ()):
    return shown_layers(directory, arguments, {"PYTHONPATH": pythonpath}, homes=homes)


def test_in_a_subdirectory_the_whole_project_is_shown(tmp_path):
    tree(tmp_path, "a/.git/", "a/b/")
    assert layers(tmp_path / "a/b") == (ProjectLayer(str(tmp_path / "a")),)


def test_a_directory_in_a_hidden_part_of_its_project_is_shown_as_well(tmp_path):
    tree(tmp_path, "a/.git/", "a/.tox/x/")
    assert layers(tmp_path / "a/.tox/x") == tuple(ProjectLayer(str(tmp_path / name)) for name in ("a", "a/.tox/x"))


@pytest.mark.parametrize(
    "argument", ["../b/tests/test_x.py::test_y[a/b]", "{}/b/tests", "--rootdir={}/b/tests", "../b/tests/.."]
)
def test_arguments_outside_bring_their_project(tmp_path, argument):
    tree(tmp_path, "a/.git/", "b/.git/", "b/tests/test_x.py")
    shown = layers(tmp_path / "a", argument.format(tmp_path))
    assert shown == tuple(ProjectLayer(str(tmp_path / name)) for name in ("a", "b"))


@pytest.mark.parametrize("argument", ["-k", "x and y", "", "no/such/file.py", "a" * 5000, "a\0b", "-p", "::", "--x="])
def test_arguments_that_name_no_file_show_nothing(tmp_path, argument):
    tree(tmp_path, "a/.git/")
    assert layers(tmp_path / "a", argument) == (ProjectLayer(str(tmp_path / "a")),)


def test_a_file_in_a_directory_of_everybody_is_shown_if_it_is_to_be_collected(tmp_path):
    tree(tmp_path, "a/.git/", "shared/x")
    (tmp_path / "shared").chmod(0o1777)
    project = ProjectLayer(str(tmp_path / "a"))
    assert layers(tmp_path / "a", "--junitxml=../shared/x") == (project,)
    assert layers(tmp_path / "a", "../shared/x") == (project, ProjectLayer(str(tmp_path / "shared")))


def test_directories_of_pythonpath_are_shown(tmp_path):
    tree(tmp_path, "a/.git/", "a/lib/", "b/", "file")
    shown = layers(tmp_path / "a", pythonpath=f"lib::{tmp_path}/b:{tmp_path}/none:{tmp_path}/file:/usr/lib")
    assert shown == (ProjectLayer(str(tmp_path / "a")), ProjectLayer(str(tmp_path / "b")))


def test_what_is_reached_through_a_symlink_keeps_the_link(tmp_path):
    tree(tmp_path, "a/.git/", "real/lib/")
    (tmp_path / "link").symlink_to("real")
    shown = layers(tmp_path / "a", pythonpath=f"{tmp_path}/link/lib")
    assert shown[1:] == (
        ProjectLayer(str(tmp_path / "real/lib")),
        SymlinksLayer((Symlink(str(tmp_path / "link"), "real"),)),
    )


def test_what_holds_home_directories_is_not_shown_because_it_was_named(tmp_path):
    tree(tmp_path, "home/a/.git/")
    homes = (str(tmp_path / "home"),)
    shown = layers(tmp_path / "home/a", str(tmp_path), "/", pythonpath=str(tmp_path), homes=homes)
    assert shown == (ProjectLayer(str(tmp_path / "home/a")),)


def test_the_root_of_the_machine_is_refused():
    with pytest.raises(SpecError, match="home directories"):
        layers(Path("/"))


def test_directories_that_belong_to_the_machine_need_no_layer():
    assert layers(Path("/usr/lib")) == ()
