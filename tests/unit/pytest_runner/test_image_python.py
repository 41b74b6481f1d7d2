"""What is believed of what an image's interpreter says, and what its tests are given of the caller's environment."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import UserError
from maelstrom_pytest import image_python
from maelstrom_pytest.image_build import prune
from maelstrom_pytest.image_python import Description, read_description, usable_interpreter
from maelstrom_pytest.plan import InImage, container
from maelstrom_pytest.requirements import Requirements
from tests.unit.pytest_runner.builders import plan

GOOD = {"executable": "/usr/bin/python3", "version": [3, 12, 1], "cache_tag": "cpython-312", "pytest": "9.0"}
PYTHON = Description("/usr/bin/python3", (3, 12, 1), "cpython-312", "9.0")


def test_a_description_is_read():
    assert read_description(json.dumps(GOOD).encode()) == PYTHON
    assert read_description(json.dumps(GOOD | {"cache_tag": None, "pytest": None}).encode()).pytest is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"x" * 30_000,
        json.dumps(GOOD | {"executable": "python3"}).encode(),
        json.dumps(GOOD | {"cache_tag": "../../x"}).encode(),
        json.dumps(GOOD | {"cache_tag": "a\0b"}).encode(),
        json.dumps(GOOD | {"version": [3, 12]}).encode(),
    ],
)
def test_what_is_no_description(data):
    with pytest.raises(ValueError, match=r"."):
        read_description(data)


JSON = st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda document: json.dumps(document).encode())


@given(st.binary() | JSON)
def test_whatever_comes_is_a_description_or_an_error(data):
    try:
        assert isinstance(read_description(data), Description)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either is right


def test_pytest_must_be_there_and_not_too_old():
    asked = Requirements(("x",), shown="wanted.txt")
    assert usable_interpreter(PYTHON, "oci:x", asked).pytest == "9.0"
    for version, problem in ((None, "failed to find pytest in the image oci:x"), ("6.2", "failed to use pytest 6.2")):
        with pytest.raises(UserError, match=problem) as caught:
            usable_interpreter(Description("/p", (3, 12, 1), None, version), "oci:x", asked)
        assert "wanted.txt" in (caught.value.hint or "")


def test_of_the_callers_environment_only_what_says_how_tests_run_reaches_an_image():
    environ = {"PYTEST_ADDOPTS": "-q $x", "CI": "1", "PATH": "/ours", "SECRET": "x", "PYTHONPATH": "/x"}
    spec = image_python.tests_container("oci:x", (), environ, directory="/project", virtual=True)
    (element,) = spec.added_environment
    assert {name: text for name, text in element.vars.items() if "$prev" not in text} == {
        "PYTEST_ADDOPTS": "-q $$x",
        "CI": "1",
        "VIRTUAL_ENV": "/.maelstrom/python",
    }


def test_runs_in_an_image_have_durations_of_their_own_and_its_layers_below_the_project():
    image = InImage("oci:x", "1" * 64, virtual=True)
    assert plan(image=image).name != plan().name
    spec = container(plan(image=image))
    assert spec.image.name == "oci:x"
    assert [type(layer).__name__ for layer in spec.added_layers] == ["StoredLayer", "ProjectLayer"]


def test_pips_cache_is_brought_back_to_a_size_the_oldest_files_first(tmp_path):
    for number in range(4):
        path = tmp_path / "downloads" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 4096)
        os.utime(path, (number, number))
    (tmp_path / "00.lock").touch()
    prune(tmp_path, 2 * 4096)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["00.lock", "2", "3"]
