"""Which packages are built, what tests are called, and the project's file."""

from __future__ import annotations

import re

import pytest

from cargo_maelstrom.arguments import Choices
from cargo_maelstrom.config import CargoConfig
from cargo_maelstrom.default_file import CONTENTS
from cargo_maelstrom.messages import TestBinary
from cargo_maelstrom.metadata import Target, Workspace
from cargo_maelstrom.program import find_root, own_arguments
from cargo_maelstrom.selecting import LANGUAGE, chosen_packages, facts_of_case, facts_of_doc, suite_of
from maelstrom_test_runner.filter_parser import parse
from maelstrom_test_runner.filters import evaluate
from maelstrom_test_runner.runner_file import load
from maelstrom_test_runner.selecting import read_selection
from tests.unit.cargo.test_artifacts import package

A, B = package(name="a"), package(name="b")
WORKSPACE = Workspace((A, B), "/w", "/w/target", ("id-a",))


def chosen(choices: Choices, include=(), directory="/w"):
    packages, only = chosen_packages(WORKSPACE, choices, read_selection(include, (), LANGUAGE), directory=directory)
    return [each.name for each in packages], only


@pytest.mark.parametrize(
    ("choices", "directory", "names"),
    [
        (Choices(), "/w", ["a"]),
        (Choices(), "/w/b/src", ["b"]),
        (Choices(workspace=True), "/w", ["a", "b"]),
        (Choices(workspace=True, excluded=("a*",)), "/w", ["b"]),
        (Choices(packages=("b",)), "/w", ["b"]),
        (Choices(packages=("b@1.0.0", "a@2")), "/w", ["b"]),
        (Choices(manifest_path="b/Cargo.toml"), "/w", ["b"]),
    ],
)
def test_packages_are_those_that_cargo_means(choices, directory, names):
    assert chosen(choices, directory=directory) == (names, None)


def test_pa12_a_filter_that_excludes_a_package_keeps_it_from_being_built():
    everything = Choices(workspace=True)
    assert chosen(everything, ["package.equals(b) && name.contains(x)"]) == (["b"], ["b@1.0.0"])
    assert chosen(everything, ["name.contains(x)"]) == (["a", "b"], None)
    assert chosen(everything, ["package.equals(c)"]) == ([], [])


@pytest.mark.parametrize(
    ("kind", "suite", "meant"),
    [
        ("lib", "a", "library"),
        ("proc-macro", "a", "library"),
        ("test", "a [t]", "test && test.equals(t)"),
        ("bin", "a [bin/t]", "binary.equals(t)"),
        ("bench", "a [bench/t]", "benchmark"),
        ("example", "a [example/t]", "ex"),
    ],
)
def test_pa11_kinds_of_targets(kind, suite, meant):
    binary = TestBinary(A, Target("t", (kind,)), "/t/t")
    facts = facts_of_case(binary, "x::y")
    assert suite_of(binary) == suite
    assert evaluate(parse(meant, LANGUAGE), facts) is True
    others = {"library", "test", "binary", "benchmark", "example", "doc"} - {name for name in facts if facts[name]}
    assert [evaluate(parse(other, LANGUAGE), facts) for other in others] == [False] * len(others)
    assert evaluate(parse("name.equals(x::y) && package.equals(a)", LANGUAGE), facts) is True
    assert evaluate(parse("doc", LANGUAGE), facts_of_doc(A)) is True


def test_me16_the_file_that_init_writes_parses_with_and_without_its_comments(tmp_path):
    path = tmp_path / "cargo-maelstrom.toml"
    names = [value.key for value in CargoConfig.schema()]
    path.write_text(CONTENTS)
    assert load(path, LANGUAGE, names).directives.all == ()
    path.write_text(re.sub(r"^#(?! )", "", CONTENTS, flags=re.MULTILINE))
    read = load(path, LANGUAGE, names)
    assert len(read.directives.all) == 4
    assert read.values == {"hermetic": True, "timeout": 300, "retries": 2, "doc-tests": False, "isolation": "auto"}


def test_cargo_calls_us_with_our_name():
    assert own_arguments(["maelstrom", "--list"]) == ["--list"]
    assert own_arguments(["--list", "maelstrom"]) == ["--list", "maelstrom"]


def test_the_root_is_the_topmost_manifest_of_a_repository(tmp_path):
    inner = tmp_path / "up" / "repository" / "w" / "p" / "src"
    inner.mkdir(parents=True)
    for place in ("up", "up/repository/w", "up/repository/w/p"):
        (tmp_path / place / "Cargo.toml").touch()
    (tmp_path / "up" / "repository" / ".git").mkdir()
    assert find_root(inner) == tmp_path / "up/repository/w"
