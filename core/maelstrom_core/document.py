"""Checks that every document from outside passes, whatever it describes; each error names its place.

A *document* is a decoded JSON or TOML value; a *place* is a path into it, such as `layers[2].glob`, empty at
the top. Knows nothing of specifications: may import `errors` and `suggest` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NoReturn, TypeVar

import msgspec

from maelstrom_core.errors import SpecError
from maelstrom_core.suggest import hint as suggestion

T = TypeVar("T")

MAXIMUM_DEPTH = 32
"""Levels of nesting; specifications need six."""

_TYPE_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table of names and values",
    "null": "null",
}
# not compiled here: most documents are right
_VIOLATION = r"(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<place>[^`]*)`)?"
_EXPECTED = r"Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`"
_UNKNOWN = r"Object contains unknown field `(?P<name>.*)`"
_MISSING = r"Object missing required field `(?P<name>.*)`"
_INVALID = r"Invalid (?:enum )?value '?(?P<value>.*?)'?"


def fail(place: str, message: str, *, hint: str | None = None) -> NoReturn:
    """Raise SpecError with `message` (a lower-case fragment) about `place`."""
    raise SpecError(f"{place}: {message}" if place else message, hint=hint)


def join(place: str, name: str) -> str:
    """Return the place of field `name` (or `[index]`) within `place`."""
    return f"{place}{name}" if not place or not name or name.startswith("[") else f"{place}.{name}"


def expect_table(value: object, place: str) -> dict[str, object]:
    """Return `value` if it is a table with string keys; raise SpecError otherwise."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        fail(place, f"expected {_TYPE_NAMES['object']}, got {type_name(value)}")
    return value


def type_name(value: object) -> str:
    """Return what `value` is called in documents: `a list`, `an integer`."""
    if value is None:
        return "null"
    for kind, name in ((bool, "bool"), (str, "str"), (int, "int"), (float, "float"), (dict, "object"), (list, "array")):
        if isinstance(value, kind):
            return _TYPE_NAMES[name]
    return f"a {type(value).__name__}"


def check_texts(value: object, place: str, depth: int = 0) -> None:
    """Raise SpecError where a text cannot be given to the kernel, or where nesting is absurdly deep.

    Such texts hold a NUL character, or half of a surrogate pair, which has no UTF-8 form.
    """
    if isinstance(value, str):
        if "\0" in value:
            fail(place, "a text must not contain a NUL character")
        if not value.isascii() and not is_utf8(value):
            fail(place, "a text must not contain half of a surrogate pair: it cannot be written as UTF-8")
    elif isinstance(value, dict | list):
        if depth == MAXIMUM_DEPTH:
            fail("", f"the document is nested more than {MAXIMUM_DEPTH} levels deep")
        if isinstance(value, dict):
            for key, item in value.items():
                check_texts(key, place, depth + 1)
                check_texts(item, join(place, str(key)), depth + 1)
        else:
            for index, item in enumerate(value):
                check_texts(item, f"{place}[{index}]", depth + 1)


def is_utf8(text: str) -> bool:
    """Return whether `text` can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def convert(value: object, shape: type[T], place: str, names: Mapping[str, Iterable[str]]) -> T:
    """Return `value` as `shape`; raise SpecError with the exact place and, for misspelt names, a suggestion.

    `names` says what may be written where, for suggestions only: by the name of the field a value stands in
    for values out of a closed set (`network`), by that of the table for its fields (`mounts`); "" is the top.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        _explain(str(error), place, names)


def _explain(violation: str, place: str, names: Mapping[str, Iterable[str]]) -> NoReturn:
    # The library has no structured form of its errors; that its phrases are understood here is kept by tests.
    # A phrase of a future version would be shown as it is.
    parts = re.fullmatch(_VIOLATION, violation, re.DOTALL)
    what, inner = (parts["what"], parts["place"] or "") if parts else (violation, "")
    path = join(place, inner.removeprefix("."))
    field = re.sub(r"\[[^]]*\]", "", inner).rpartition(".")[2]
    if found := re.fullmatch(_EXPECTED, what):
        expected = " or ".join(_TYPE_NAMES.get(name, name) for name in found["expected"].split(" | "))
        fail(path, f"expected {expected}, got {_TYPE_NAMES.get(found['got'], found['got'])}")
    if found := re.fullmatch(_UNKNOWN, what, re.DOTALL):
        fail(path, f"unknown field `{found['name']}`", hint=suggestion(found["name"], names.get(field, ())))
    if found := re.fullmatch(_MISSING, what):
        fail(path, f"field `{found['name']}` is missing")
    if found := re.fullmatch(_INVALID, what, re.DOTALL):
        fail(path, f"unknown value `{found['value']}`", hint=suggestion(found["value"], names.get(field, ())))
    fail(path, what[:1].lower() + what[1:])
