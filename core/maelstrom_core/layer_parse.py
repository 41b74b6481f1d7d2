"""Reads one layer of a specification: its kind is recognised by the key that names it.

Shapes only; building layers is not known here. May import `document`, `spec` and `suggest`.
"""

from __future__ import annotations

from typing import NoReturn

from maelstrom_core.document import convert, expect_table, fail, join
from maelstrom_core.spec import (
    GlobLayer,
    HostLayer,
    Layer,
    PathsLayer,
    PrefixOptions,
    ProjectLayer,
    PythonEnvironmentLayer,
    SharedLibraryDependenciesLayer,
    StubsLayer,
    Symlink,
    SymlinksLayer,
    TarLayer,
)
from maelstrom_core.suggest import nearest

LAYER_KINDS: dict[str, type[Layer]] = {
    "tar": TarLayer,
    "glob": GlobLayer,
    "paths": PathsLayer,
    "stubs": StubsLayer,
    "symlinks": SymlinksLayer,
    "shared_library_dependencies": SharedLibraryDependenciesLayer,
    "host": HostLayer,
    "python_environment": PythonEnvironmentLayer,
    "project": ProjectLayer,
}
_PREFIX_OPTIONS = PrefixOptions.__struct_fields__
_KINDS_WITH_PREFIX = tuple(key for key, kind in LAYER_KINDS.items() if issubclass(kind, PrefixOptions))


def parse_layer(value: object, place: str) -> Layer:
    """Return the layer that a table describes; raise SpecError with its place."""
    table = expect_table(value, place)
    kinds = [key for key in table if key in LAYER_KINDS]
    if not kinds:
        _reject_kind(table, place)
    if len(kinds) > 1:
        named = " and ".join(f"`{key}`" for key in kinds)
        fail(place, f"a layer has one kind, this one has {named}", hint="write one layer for each")
    kind = kinds[0]
    for option in _PREFIX_OPTIONS:
        if option in table and kind not in _KINDS_WITH_PREFIX:
            fail(place, f"`{option}` is not possible in a layer of kind `{kind}`", hint=_prefix_hint())
    shape = LAYER_KINDS[kind]
    return convert(table, shape, place, {"": shape.__struct_fields__, "symlinks": Symlink.__struct_fields__})


def _reject_kind(table: dict[str, object], place: str) -> NoReturn:
    if "command" in table:
        fail(
            join(place, "command"),
            "layers made by a command are not supported",
            hint="run the command first and take up its results with `glob`, `paths` or `tar`",
        )
    kinds = ", ".join(LAYER_KINDS)
    for key in table:
        if (best := nearest(key, LAYER_KINDS)) is not None:
            fail(place, f"unknown kind of layer `{key}`", hint=f"did you mean `{best}`?")
    fail(place, "this is no kind of layer that is known", hint=f"a layer has one of the keys {kinds}")


def _prefix_hint() -> str:
    return f"prefix options belong to {', '.join(_KINDS_WITH_PREFIX)}"
