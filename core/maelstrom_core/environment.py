"""Evaluates the environment elements of a container: `$env{NAME}`, `$prev{NAME}`, `:-default`, `$$`.

Pure: the caller's environment comes in as a function. May import `errors` and `spec`, and the text checks
of `document`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from maelstrom_core.document import is_utf8
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import EnvironmentElement

Lookup = Callable[[str], str | None]
"""Returns the value of a variable, None if it is not set; raises ValueError if there is one but it is unusable."""

_DOLLAR = re.compile(
    r"""\$ (?: (?P<escaped>\$)
             | (?P<source>env|prev)\{ (?P<body>[^}]*) (?P<close>\})? )?""",
    re.VERBOSE,
)


def client_lookup(environ: Mapping[str, str]) -> Lookup:
    """Return the Lookup for a mapping such as `os.environ`; refuses values that are not UTF-8."""

    def lookup(name: str) -> str | None:
        value = environ.get(name)
        if value is not None and not is_utf8(value):
            raise ValueError("its value is not UTF-8 text")
        return value

    return lookup


def evaluate(
    elements: Iterable[EnvironmentElement], env: Lookup, initial: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the environment as `NAME=value`, sorted by name.

    Each element sees the result of those before it as `$prev{...}`, also where it replaces that result. `initial`
    (an image's environment) is taken as it is. Raises SpecError naming the variable that is being set.
    """
    result = dict(initial or {})
    for element in elements:
        values = {name: _value(name, text, env, result.get) for name, text in element.vars.items()}
        result = {**result, **values} if element.extend else values
    return tuple(f"{name}={value}" for name, value in sorted(result.items()))


def _value(name: str, text: str, env: Lookup, prev: Lookup) -> str:
    if "$" not in text:
        return text
    try:
        return substitute(text, env, prev)
    except SpecError as error:
        raise SpecError(f"failed to evaluate environment variable `{name}`: {error.message}", hint=error.hint) from None


def substitute(text: str, env: Lookup, prev: Lookup) -> str:
    """Return `text` with its variables replaced; raises SpecError.

    A default after `:-` is taken, literally, where the variable is unset or empty.
    """

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        source, body = match["source"], match["body"]
        if source is None:
            after = text[match.end() : match.end() + 1]
            problem = f"`$` is followed by `{after}`" if after else "`$` at the end"
            raise SpecError(
                f"{problem} in `{text}`", hint="`$` begins $env{NAME} or $prev{NAME}; write `$$` for the character"
            )
        if not match["close"]:
            raise SpecError(f"`${source}{{` has no closing brace in `{text}`")
        name, colon, default = body.partition(":-")
        value = _look_up(source, name, env if source == "env" else prev)
        if colon:
            return value or default
        if value is None:
            raise SpecError(
                f"variable `{name}` of ${source}{{{name}}} is not set",
                hint=f"give a default: ${source}{{{name}:-text}}",
            )
        return value

    return _DOLLAR.sub(replace, text)


def _look_up(source: str, name: str, lookup: Lookup) -> str | None:
    try:
        return lookup(name)
    except ValueError as error:
        raise SpecError(f"failed to look up variable `{name}` of ${source}{{{name}}}: {error}") from None
