"""Directories of this machine shown in place, with symlinks kept and secrets hidden."""

import pytest

from maelstrom_container import host, project
from maelstrom_core.errors import SpecError
from maelstrom_core.job import HostTree, LayerDirectory
from maelstrom_core.spec import HostLayer, ProjectLayer


class Copies:
    """Stands for the store: remembers what was to be copied."""

    def __init__(self):
        self.layers = []

    def __call__(self, layer):
        self.layers.append(layer)
        return LayerDirectory(f"/store/{len(self.layers)}")

    def links(self):
        return {each.link: each.target for layer in self.layers for each in layer.symlinks}


@pytest.fixture
def machine(tmp_path):
    machine = tmp_path.resolve()
    (machine / "usr" / "bin").mkdir(parents=True)
    (machine / "bin").symlink_to("usr/bin")
    return machine


def test_existing_directories_are_shown_at_their_own_paths(machine):
    copies = Copies()
    assert host.realise_host(HostLayer((str(machine / "usr"),)), copies) == (
        HostTree(str(machine / "usr"), str(machine / "usr")),
    )
    assert copies.layers == []


def test_symlink_to_a_shown_directory_stays_a_symlink(machine):
    copies = Copies()
    realised = host.realise_host(HostLayer((str(machine / "bin"), str(machine / "usr"))), copies)
    assert realised == (LayerDirectory("/store/1"), HostTree(str(machine / "usr"), str(machine / "usr")))
    assert copies.links() == {str(machine / "bin"): "usr/bin"}


def test_target_of_a_symlink_is_shown_even_if_it_was_not_named(machine):
    realised = host.realise_host(HostLayer((str(machine / "bin"),)), Copies())
    assert realised[1:] == (HostTree(str(machine / "usr" / "bin"), str(machine / "usr" / "bin")),)


def test_default_directories_that_do_not_exist_are_skipped(machine, monkeypatch):
    missing, empty = str(machine / "missing"), machine / "empty"
    empty.mkdir()
    monkeypatch.setattr(host, "HOST_DIRECTORIES", (missing, str(empty)))
    assert host.realise_host(HostLayer((missing, str(empty))), Copies()) == ()


@pytest.mark.parametrize("directory", ["relative", "/", "/..", "/nonexistent-directory", "/etc/passwd"])
def test_directories_that_cannot_be_shown_are_the_users_errors(directory):
    with pytest.raises(SpecError):
        host.realise_host(HostLayer((directory,)), Copies())


def test_loop_of_symlinks_is_an_error(machine):
    (machine / "loop").symlink_to("loop")
    with pytest.raises(SpecError, match="too many"):
        host.resolve(str(machine / "loop"))


def test_secrets_of_etc_are_hidden():
    (tree,) = host.realise_host(HostLayer(("/etc",)), Copies())
    assert "shadow" in tree.hidden
    assert "passwd" not in tree.hidden


def test_every_link_on_the_way_is_remembered(machine):
    (machine / "a").symlink_to("b")
    (machine / "b").symlink_to(machine / "usr")
    (machine / "usr" / "bin" / "tool").symlink_to("../../bin/real")
    resolved = host.resolve(str(machine / "a" / "bin" / "tool"))
    assert resolved.path == str(machine / "usr" / "bin" / "real")
    assert [link for link, _ in resolved.links] == [str(machine / each) for each in ("a", "b", "usr/bin/tool", "bin")]


def test_tree_inside_another_is_dropped_unless_hidden_there():
    outer = HostTree("/p", "/p", hidden=(".venv",))
    inside, hidden = HostTree("/p/src", "/p/src"), HostTree("/p/.venv", "/p/.venv")
    assert host.outermost([hidden, inside, outer]) == [outer, hidden]


@pytest.mark.parametrize(
    ("directory", "exposed"),
    [("/", True), ("/home", True), ("/home/me", True), ("/home/me/work", False), ("/home/m", False)],
)
def test_home_and_everything_above_it_count_as_exposing(directory, exposed):
    assert host.exposes_home(directory, ("/home/me",)) is exposed


@pytest.fixture
def work(tmp_path):
    work = (tmp_path / "work").resolve()
    for name in (".git", "venv", "tools/env", ".tox", "src/.mypy_cache", ".pytest_cache", "node_modules", "src/app"):
        (work / name).mkdir(parents=True)
    (work / "venv" / "pyvenv.cfg").write_text("")
    (work / "tools" / "env" / "pyvenv.cfg").write_text("")
    (work / "_version.py").write_text("")
    (work / ".venv").symlink_to("venv")
    return work


def test_project_is_shown_without_what_does_not_belong_to_it(work):
    tree = project.realise_project(ProjectLayer("."), work)
    assert tree == HostTree(str(work), str(work), (".git", ".tox", "src/.mypy_cache", "tools/env", "venv"))


def test_relative_project_starts_at_the_project_directory(work):
    assert project.realise_project(ProjectLayer("src"), work).source == str(work / "src")


def test_project_above_the_home_directory_is_refused(work, monkeypatch):
    monkeypatch.setenv("HOME", str(work / "src"))
    with pytest.raises(SpecError, match="home"):
        project.realise_project(ProjectLayer("."), work)


def test_project_that_is_the_home_directory_hides_what_starts_with_a_dot(work, monkeypatch):
    monkeypatch.setenv("HOME", str(work))
    (work / ".ssh").mkdir()
    (work / ".coveragerc").write_text("")
    hidden = project.realise_project(ProjectLayer("."), work).hidden
    assert ".ssh" in hidden
    assert ".coveragerc" not in hidden


def test_project_that_does_not_exist_is_the_users_error(work):
    with pytest.raises(SpecError, match="not a directory"):
        project.realise_project(ProjectLayer("missing"), work)
