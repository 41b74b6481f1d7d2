"""Filters: which tests are meant. The expressions, what they are worth for a test, and how they are written.

    node_id.starts_with(tests/) && !markers.contains(slow)

`filter_parser` reads them. A filter is worth true, false, or None: not known yet, because what it asks about is not
(cargo knows a test's package before its binary is built). Whoever drops something early drops what is False only.
Pure. May import nothing of the project; wcmatch is imported where a glob is used.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

Facts = Mapping[str, "str | frozenset[str] | bool | None"]
"""What is known of a test, by the names of the language's selectors: a text, or a set of them.

True or False of a kind (`library`); False also where a selector asks about another kind of thing than this is. What
is missing, or None, is not known yet.
"""


class Selector(msgspec.Struct, frozen=True):
    """What a filter can ask about. `shortest`: from how many letters on it may be abbreviated."""

    name: str
    shortest: int
    matchers: tuple[str, ...] = ()
    """Those it may be compared by; none: it is a word of its own, such as `library`."""


class Language(msgspec.Struct, frozen=True):
    """The selectors that one runner knows, beside `all` and `none`. A name may be there twice: bare, and compared."""

    selectors: tuple[Selector, ...]

    def bare(self) -> tuple[Selector, ...]:
        """Return what may stand alone."""
        return (*CONSTANTS, *(each for each in self.selectors if not each.matchers))

    def compared(self) -> tuple[Selector, ...]:
        """Return what is compared with something."""
        return tuple(each for each in self.selectors if each.matchers)


CONSTANTS = (Selector("all", 2), Selector("any", 2), Selector("true", 2), Selector("none", 1), Selector("false", 1))
TRUE = frozenset({"all", "any", "true"})
MATCHERS = (
    Selector("equals", 2),
    Selector("contains", 1),
    Selector("starts_with", 1),
    Selector("ends_with", 2),
    Selector("matches", 1),
    Selector("globs", 1),
)
TEXT_MATCHERS = tuple(each.name for each in MATCHERS)
SET_MATCHERS = ("contains",)
"""Of something that is a set of texts, as markers are: it means membership."""


class Bare(msgspec.Struct, frozen=True):
    """A word of its own: a constant, or a kind of thing."""

    name: str


class Compared(msgspec.Struct, frozen=True):
    """`selector.matcher(argument)`."""

    selector: str
    matcher: str
    argument: str


class Not(msgspec.Struct, frozen=True):
    """What its operand is not."""

    operand: Filter


class And(msgspec.Struct, frozen=True):
    """What both sides are."""

    left: Filter
    right: Filter


class Minus(msgspec.Struct, frozen=True):
    """What the left side is and the right side is not."""

    left: Filter
    right: Filter


class Or(msgspec.Struct, frozen=True):
    """What one of the sides is."""

    left: Filter
    right: Filter


Filter = Bare | Compared | Not | And | Minus | Or
ALL = Bare("all")


def evaluate(expression: Filter, facts: Facts) -> bool | None:
    """Return whether a test is meant; None if that depends on what is not known yet."""
    match expression:
        case Bare(name):
            return _bare(name, facts)
        case Compared():
            return _compared(expression, facts)
        case Not(operand):
            return _negated(evaluate(operand, facts))
        case And(left, right):
            return _both(evaluate(left, facts), right, facts)
        case Minus(left, right):
            return _both(evaluate(left, facts), Not(right), facts)
        case Or(left, right):
            # one side is enough; by De Morgan
            return _negated(_both(_negated(evaluate(left, facts)), Not(right), facts))


def selects(include: Sequence[Filter], exclude: Sequence[Filter], facts: Facts) -> bool | None:
    """Return whether any of some filters includes a test (all do if there is none), and none excludes it."""
    included = [evaluate(each, facts) for each in include] if include else [True]
    excluded = [evaluate(each, facts) for each in exclude]
    if True in excluded or not any(value is not False for value in included):
        return False
    return None if None in excluded or True not in included else True


def show(expression: Filter) -> str:
    """Return a filter as text, which reads back as the same."""
    match expression:
        case Bare(name):
            return name
        case Compared(selector, matcher, argument):
            return f"{selector}.{matcher}{delimited(argument)}"
        case Not(operand):
            return f"!{_operand(operand, Bare | Compared | Not)}"
        case And(left, right) | Minus(left, right):
            sign = "&&" if isinstance(expression, And) else "-"
            return f"{_operand(left, And | Minus | Bare | Compared | Not)} {sign} {_operand(right, _TIGHT)}"
        case Or(left, right):
            return f"{show(left)} || {_operand(right, _TIGHT | And | Minus)}"


def delimited(argument: str) -> str:
    """Return an argument in delimiters that do not end within it. Raises ValueError where there are none."""
    if "/" not in argument and re.search(r"[()\[\]{}<>]", argument):
        return f"/{argument}/"
    for opening, closing in ("()", "[]", "{}", "<>"):
        if _balances(argument, opening, closing):
            return f"{opening}{argument}{closing}"
    raise ValueError(f"`{argument}` cannot be delimited")


def _balances(text: str, opening: str, closing: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == opening) - (character == closing)
        if depth < 0:
            return False
    return depth == 0


_TIGHT = Bare | Compared | Not


def _operand(expression: Filter, bare: object) -> str:
    text = show(expression)
    return text if isinstance(expression, bare) else f"({text})"  # type: ignore[arg-type]  # a union of classes


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def _both(left: bool | None, right: Filter, facts: Facts) -> bool | None:
    if left is False:
        return False
    value = evaluate(right, facts)
    return value if value is False else None if left is None else value


def _bare(name: str, facts: Facts) -> bool | None:
    if name in TRUE:
        return True
    if name in {"none", "false"}:
        return False
    fact = facts.get(name)
    return None if fact is None else fact is not False


def _compared(expression: Compared, facts: Facts) -> bool | None:
    fact = facts.get(expression.selector)
    if fact is None or isinstance(fact, bool):  # True: it has no name to compare
        return None if fact is None else False
    if isinstance(fact, frozenset):
        return expression.argument in fact
    return _compare(expression.matcher, expression.argument)(fact)


@functools.lru_cache(maxsize=256)
def _compare(matcher: str, argument: str) -> Callable[[str], bool]:
    match matcher:
        case "equals":
            return lambda text: text == argument
        case "contains":
            return lambda text: argument in text
        case "starts_with":
            return lambda text: text.startswith(argument)
        case "ends_with":
            return lambda text: text.endswith(argument)
        case "matches":
            pattern = re.compile(argument)
        case _:
            pattern = compile_glob(argument)
    return lambda text: pattern.search(text) is not None


def compile_glob(glob: str) -> re.Pattern[str]:
    """Return the regular expression of a glob, in which `*` stands for `/` as well; raises ValueError, re.error."""
    from wcmatch import fnmatch

    patterns, _ = fnmatch.translate(glob, flags=fnmatch.BRACE | fnmatch.DOTMATCH | fnmatch.CASE | fnmatch.FORCEUNIX)
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
