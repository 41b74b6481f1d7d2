"""Which requirements a project has, and when what was installed for them is good for another run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import UserError
from maelstrom_pytest.image_python import contents_key, layer_key, named_files, pip_environment
from maelstrom_pytest.requirements import Requirements, find_requirements
from tests.support.programs import write_project


def find(directory: Path, *named: str, root: Path | None = None) -> Requirements:
    return find_requirements(directory, root or directory, named or None)


def key(requirements: Requirements, **environ: str) -> str:
    return layer_key("image", "python3", requirements, (), environ)


def test_the_first_file_there_is_goes_before_pyproject(tmp_path):
    write_project(tmp_path, {"pyproject.toml": '[dependency-groups]\ntest = ["c"]\n'})
    assert find(tmp_path).arguments == ("c",)
    (tmp_path / "requirements-test.txt").write_text("b\n")
    assert find(tmp_path).arguments == ("-r", f"{tmp_path}/requirements-test.txt")
    (tmp_path / "test-requirements.txt").write_text("a\n")
    assert find(tmp_path).arguments == ("-r", f"{tmp_path}/test-requirements.txt")


def test_the_root_of_the_project_is_looked_at_after_the_directory(tmp_path):
    write_project(tmp_path, {"test-requirements.txt": "a\n", "part/test_x.py": ""})
    assert find(tmp_path / "part", root=tmp_path).files == (f"{tmp_path}/test-requirements.txt",)
    write_project(tmp_path, {"part/requirements-test.txt": "b\n"})
    assert find(tmp_path / "part", root=tmp_path).files == (f"{tmp_path}/part/requirements-test.txt",)


def test_a_project_without_any_has_none(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    assert find(tmp_path) == Requirements()
    assert find_requirements(tmp_path, tmp_path, ()) == Requirements()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('[dependency-groups]\ntest = ["a", {include-group = "b"}]\nb = ["c"]\ndev = ["d"]', ("a", "c")),
        ('[dependency-groups]\ndev = ["d"]', ("d",)),
        ('[project]\ndependencies = ["a"]\n[project.optional-dependencies]\ntests = ["b"]', ("a", "b")),
        ('[project]\ndependencies = ["a"]\n[dependency-groups]\ntest = ["b"]', ("b", "a")),
        ('[build-system]\n[project]\ndependencies = ["a"]\n[dependency-groups]\ntest = ["b"]', ("-e", "{}", "b")),
        ("[build-system]\n[project.optional-dependencies]\ntest = ['b']", ("-e", "{}[test]")),
    ],
)
def test_pyproject(tmp_path, text, arguments):
    (tmp_path / "pyproject.toml").write_text(text)
    assert find(tmp_path).arguments == tuple(each.format(tmp_path) for each in arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[dependency-groups]\ntest = [{include-group = "test"}]', "the dependency group `test` includes itself"),
        ('[dependency-groups]\ntest = [{include-group = "b"}]', "the dependency group `b` does not exist"),
        ("[dependency-groups]\ntest = 3", "the dependency group `test` is no list of requirements"),
        ("[dependency-groups]\ntest = ['--index-url=x']", "`--index-url=x` is no requirement"),
        ("[project]\ndependencies = 'a'", "`dependencies` is no list of texts"),
    ],
)
def test_a_pyproject_that_makes_no_sense(tmp_path, text, message):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        find(tmp_path)


def test_files_that_are_named_must_be_there_and_readable(tmp_path):
    with pytest.raises(UserError, match=r"failed to find the requirements wanted\.txt in "):
        find(tmp_path, "wanted.txt")
    (tmp_path / "wanted.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match="failed to read the requirements"):
        find(tmp_path, "wanted.txt")


def test_files_within_files_count_and_loops_end(tmp_path):
    write_project(
        tmp_path,
        {"a.txt": "-r sub/b.txt  # more\n--constraint=c.txt\nx\n", "sub/b.txt": "-r ../a.txt\ny\n", "c.txt": "x<2\n"},
    )
    before = find(tmp_path, "a.txt")
    assert before.files == tuple(f"{tmp_path}/{name}" for name in ("a.txt", "c.txt", "sub/b.txt"))
    (tmp_path / "c.txt").write_text("x<3\n")
    assert key(find(tmp_path, "a.txt")) != key(before)


def test_equal_requirements_of_two_projects_are_one_layer_wherever_they_lie(tmp_path):
    for name in ("one", "two"):
        write_project(tmp_path / name, {"test-requirements.txt": "-r more.txt\na\n", "more.txt": "b\n"})
    assert key(find(tmp_path / "one")) == key(find(tmp_path / "two"))
    (tmp_path / "two" / "more.txt").write_text("c\n")
    assert key(find(tmp_path / "one")) != key(find(tmp_path / "two"))


@pytest.mark.parametrize(("line", "matters"), [("-e .", False), (".", True), ("./", True), ("mine @ file:{}", True)])
def test_what_is_installed_from_a_directory_depends_on_it_and_an_editable_only_on_how_it_is_built(
    tmp_path, line, matters
):
    write_project(tmp_path, {"pyproject.toml": "", "src/mine.py": "", "test-requirements.txt": line.format(tmp_path)})
    before = key(find(tmp_path))
    (tmp_path / "src" / "mine.py").write_text("changed")
    after = key(find(tmp_path))
    assert (before != after) is matters
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    assert key(find(tmp_path)) != after


def test_a_local_requirement_that_is_missing(tmp_path):
    (tmp_path / "test-requirements.txt").write_text("./wheel.whl\n")
    with pytest.raises(UserError, match="failed to find what is to be installed"):
        find(tmp_path)


TEXTS = st.text(max_size=5)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=2), TEXTS), min_size=2, max_size=2))
def test_layers_are_the_same_exactly_if_all_that_matters_is(pair):
    keys = [
        layer_key(image, python, Requirements(("x",), (), (("x", text),)), options, {"PIP_INDEX_URL": index})
        for image, python, text, options, index in pair
    ]
    assert (keys[0] == keys[1]) == (pair[0] == pair[1])


def test_where_nothing_is_installed_pip_does_not_matter():
    assert key(Requirements(), PIP_INDEX_URL="a") == key(Requirements())


def test_settings_of_how_pip_downloads_do_not_matter_and_others_never_reach_it():
    wanted = Requirements(("x",))
    assert key(wanted, PIP_TIMEOUT="3", PIP_CERT="/x", HTTPS_PROXY="y") == key(wanted)
    environ = {"PIP_TARGET": "/", "PIP_USER": "1", "PIP_TIMEOUT": "3", "https_proxy": "y", "SECRET": "z"}
    assert pip_environment(environ) == {"PIP_TIMEOUT": "3", "https_proxy": "y"}


def test_the_environment_of_an_image_is_part_of_its_contents():
    assert len({contents_key(["a"], {}), contents_key(["a"], {"A": "1"}), contents_key(["a", "b"], {})}) == 3


def test_files_that_variables_name_are_shown_to_pip_if_they_are_there(tmp_path):
    (tmp_path / "wheels").mkdir()
    links = f"{tmp_path}/wheels https://example.org/x relative {tmp_path}/missing file://{tmp_path}/wheels/../wheels /"
    assert named_files({"PIP_FIND_LINKS": links, "OTHER": os.devnull}) == [f"{tmp_path}/wheels"]
