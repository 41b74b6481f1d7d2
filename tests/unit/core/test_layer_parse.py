"""Parsing of layers: behaviours SP19 to SP21."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from maelstrom_core.spec import (
    GlobLayer,
    HostLayer,
    PathsLayer,
    ProjectLayer,
    PythonEnvironmentLayer,
    SharedLibraryDependenciesLayer,
    StubsLayer,
    Symlink,
    SymlinksLayer,
    TarLayer,
)
from maelstrom_core.spec_parse import parse_container
from tests.unit.core.parsing import error_of

PREFIX = {"strip_prefix": "/a", "prepend_prefix": "b/", "canonicalize": True, "follow_symlinks": True}
LAYERS: list[tuple[dict[str, Any], Any, bool]] = [
    ({"tar": "a"}, TarLayer("a"), False),
    ({"glob": "**"}, GlobLayer("**"), True),
    ({"paths": ["/a", "b"]}, PathsLayer(("/a", "b")), True),
    ({"stubs": ["/{a,b}/"]}, StubsLayer(("/{a,b}/",)), False),
    ({"symlinks": [{"link": "/a", "target": "b"}]}, SymlinksLayer((Symlink("/a", "b"),)), False),
    ({"shared_library_dependencies": ["/bin/sh"]}, SharedLibraryDependenciesLayer(("/bin/sh",)), True),
    ({"host": ["/usr"]}, HostLayer(("/usr",)), False),
    ({"python_environment": "/bin/python3"}, PythonEnvironmentLayer("/bin/python3"), False),
    ({"project": "."}, ProjectLayer("."), False),
]


@pytest.mark.parametrize(("written", "parsed", "prefixed"), LAYERS)
def test_sp19_each_kind_of_layer(written, parsed, prefixed):
    assert parse_container({"layers": [written]}).layers == (parsed,)


@pytest.mark.parametrize(("written", "parsed", "prefixed"), LAYERS)
@pytest.mark.parametrize("option", PREFIX)
def test_sp19_prefix_options_only_where_they_mean_something(written, parsed, prefixed, option):
    value = {"layers": [{**written, option: PREFIX[option]}]}
    if prefixed:
        layers = parse_container(value).layers
        assert layers is not UNSET
        assert getattr(layers[0], option) == PREFIX[option]
    else:
        kind = next(iter(written))
        assert error_of(value).message == f"layers[0]: `{option}` is not possible in a layer of kind `{kind}`"


@pytest.mark.parametrize(
    ("layer", "message", "hint"),
    [
        ({"glob": 5}, "layers[2].glob: expected a string, got an integer", None),
        ({"paths": ["a", 1]}, "layers[2].paths[1]: expected a string, got an integer", None),
        ({"tar": "a", "tarr": 1}, "layers[2]: unknown field `tarr`", "did you mean `tar`?"),
        ({"shared-library-dependencies": []}, None, "did you mean `shared_library_dependencies`?"),
        ({"qqqqqqq": 1}, "layers[2]: this is no kind of layer that is known", None),
        ({}, "layers[2]: this is no kind of layer that is known", None),
        ({"tar": "a", "glob": "b"}, "layers[2]: a layer has one kind, this one has `tar` and `glob`", None),
        ("tar", "layers[2]: expected a table of names and values, got a string", None),
    ],
)
def test_sp19_wrong_layers_are_errors_with_their_place(layer, message, hint):
    error = error_of({"layers": [{"tar": "a"}, {"tar": "b"}, layer]})
    assert message is None or error.message == message
    assert hint is None or error.hint == hint


@pytest.mark.parametrize("symlink", [{"link": "a"}, {"target": "a"}])
def test_sp20_symlinks_need_link_and_target(symlink):
    error = error_of({"layers": [{"symlinks": [symlink]}]})
    assert error.message.startswith("layers[0].symlinks[0]: field")


@pytest.mark.parametrize("command", ["a", ["a"], ["a", "b", "c"], []])
def test_sp21_command_layers_are_refused_with_a_way_out(command):
    error = error_of({"layers": [{"command": command}]})
    assert error.message == "layers[0].command: layers made by a command are not supported"
    assert error.hint is not None
