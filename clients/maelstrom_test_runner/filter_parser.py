r"""Reads filters: text to expressions, with errors that point at the place.

    or    : || | or                    and   : && & + and      (of one strength, and so is difference; from the left)
    not   : ! ~ not                    minus : \ - minus
    test  : all  none  library()  name.equals(text)  file.matches/regex/  markers.c[slow]  ( ... )

Pure. May import `filters`, `lines`, and the errors and suggestions of `maelstrom_core`. Why there is no library in it:
docs/decisions/filters.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from maelstrom_core.errors import UserError
from maelstrom_core.suggest import nearest
from maelstrom_test_runner.filters import (
    MATCHERS,
    SET_MATCHERS,
    And,
    Bare,
    Compared,
    Filter,
    Language,
    Minus,
    Not,
    Or,
    Selector,
    compile_glob,
)
from maelstrom_test_runner.lines import cells

LONGEST = 10_000
"""Characters of a filter."""
DEEPEST = 100
"""Levels of parentheses and negations."""
MOST = 200
"""Tests in one filter: evaluation goes as deep as there are operators in a row."""
SHOWN = 60
"""Characters of a long filter that are shown on either side of what is wrong."""

_BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">", "/": "/"}
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*)|(\|\||&&|[|&+\\\-!~()])|$|(.))", re.DOTALL)
_OR = frozenset({"||", "|", "or"})
_AND = frozenset({"&&", "&", "+", "and"})
_MINUS = frozenset({"\\", "-", "minus"})
_NOT = frozenset({"!", "~", "not"})
_WORDS = frozenset({"or", "and", "minus", "not"})


class FilterError(UserError):
    """A filter cannot be understood; `position` counts characters from 0. The message shows filter and position."""

    def __init__(self, problem: str, text: str, position: int, length: int = 1, *, hint: str | None = None) -> None:
        super().__init__(f"{problem}\n{_pointed(text, position, length)}", hint=hint)
        self.problem = problem
        self.position = position

    def within(self, place: str) -> FilterError:
        """Return the same error, beginning with the place of the filter."""
        copy = FilterError.__new__(FilterError)
        UserError.__init__(copy, f"{place}: {self.message}", hint=self.hint)
        copy.problem, copy.position = self.problem, self.position
        return copy


def parse(text: str, language: Language) -> Filter:
    """Return what a text means. Raises FilterError."""
    if len(text) > LONGEST:
        raise FilterError(f"a filter has at most {LONGEST} characters", text, LONGEST)
    return _Parser(text, language).whole()


class _Parser:
    """One descent. `_word` is the next token, `_start` where it begins, `_end` where it is over."""

    def __init__(self, text: str, language: Language) -> None:
        self._text = text
        self._language = language
        self._depth = self._count = 0
        self._end = 0
        self._advance()

    def whole(self) -> Filter:
        """Return the expression that the text is, from its first to its last character."""
        if not self._word:
            self._fail("a filter is empty", hint="`all` means every test")
        found = self._or()
        if self._word == ")":
            self._fail("there is no `(` for this `)`")
        if self._word:
            self._fail(f"expected an operator before `{self._word}`", hint="`&&`, `||` and `-` join tests")
        return found

    def _or(self) -> Filter:
        found = self._and()
        while self._word in _OR:
            self._advance()
            found = Or(found, self._and())
        return found

    def _and(self) -> Filter:
        found = self._not()
        while (word := self._word) in _AND or word in _MINUS:
            self._advance()
            found = And(found, self._not()) if word in _AND else Minus(found, self._not())
        return found

    def _not(self) -> Filter:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"a filter is nested at most {DEEPEST} levels deep")
        if self._word in _NOT:
            self._advance()
            found: Filter = Not(self._not())
        elif self._word == "(":
            found = self._parenthesised()
        else:
            found = self._test()
        self._depth -= 1
        return found

    def _parenthesised(self) -> Filter:
        start = self._start
        self._advance()
        found = self._or()
        if self._word != ")":
            if self._word:
                self._fail(f"expected an operator or `)` before `{self._word}`")
            raise FilterError("there is no `)` for this `(`", self._text, start)
        self._advance()
        return found

    def _test(self) -> Filter:
        word, start, end = self._word, self._start, self._end
        if not word:
            self._fail("a test is missing at the end", hint="such as `all`, or `name.contains(text)`")
        if not re.match(r"[A-Za-z_]", word) or word in _WORDS:
            self._fail(f"expected a test, got `{word}`", hint="such as `all`, or `name.contains(text)`")
        self._count += 1
        if self._count > MOST:
            self._fail(f"a filter has at most {MOST} tests", hint="one `matches` with `|` may do for many")
        if self._text.startswith(".", end):
            return self._compared(word, start)
        selector = self._look_up(word, start, self._language.bare())
        if self._text.startswith("()", end):
            self._end += 2
        self._advance()
        return Bare(selector.name)

    def _compared(self, word: str, start: int) -> Filter:
        selector = self._look_up(word, start, self._language.compared())
        start = self._end + 1
        found = re.compile(r"[A-Za-z0-9_]*").match(self._text, start)
        word = found[0] if found else ""
        matcher = _abbreviated(word, MATCHERS)
        known = [each for each in MATCHERS if each.name in selector.matchers]
        if matcher is None or matcher not in known:
            names = [each.name for each in known]
            best = nearest(word, names)
            hint = f"did you mean `{best}`?" if best and matcher is None else f"known are: {', '.join(names)}"
            if matcher is not None:
                problem = f"`{selector.name}` cannot be compared with `{matcher.name}`"
            else:
                problem = f"unknown matcher `{word}`" if word else "a matcher is missing"
            raise FilterError(problem, self._text, start, len(word), hint=hint)
        self._end = start + len(word)
        begin = self._end + 1
        argument = self._argument(f"{selector.name}.{matcher.name}")
        compilers: dict[str, Callable[[str], object]] = {"matches": re.compile, "globs": compile_glob}
        if matcher.name in compilers and selector.matchers != SET_MATCHERS:
            self._check_pattern(argument, begin, compilers[matcher.name], matcher.name)
        self._advance()
        return Compared(selector.name, matcher.name, argument)

    def _check_pattern(self, argument: str, begin: int, compiler: Callable[[str], object], matcher: str) -> None:
        try:
            compiler(argument)
        except re.error as error:
            what = "regular expression" if matcher == "matches" else "glob"
            place = begin + (error.pos or 0) if matcher == "matches" else begin
            raise FilterError(f"this is no {what}: {error.msg}", self._text, place) from None
        except Exception as error:  # noqa: BLE001 - whatever a library thinks of a text that anybody wrote
            raise FilterError(f"this is no pattern: {error}", self._text, begin, len(argument)) from None

    def _argument(self, name: str) -> str:
        """Return what stands in delimiters; brackets of the same kind nest, all else is text."""
        text, start = self._text, self._end
        opening = text[start : start + 1]
        closing = _BRACKETS.get(opening)
        if closing is None:
            raise FilterError(f"`{name}` needs an argument", text, start, hint=f"as in `{name}(text)`, or /text/")
        depth, place = 1, start + 1
        while place < len(text):
            character = text[place]
            if character == closing:
                depth -= 1
                if not depth:
                    self._end = place + 1
                    return text[start + 1 : place]
            elif character == opening:
                depth += 1
            place += 1
        raise FilterError(
            f"there is no `{closing}` for this `{opening}`",
            text,
            start,
            hint="there are other delimiters: ( ) [ ] { } < > and / /" if depth > 1 else None,
        )

    def _look_up(self, word: str, start: int, selectors: Sequence[Selector]) -> Selector:
        found = _abbreviated(word, selectors)
        if found is not None:
            return found
        bare, compared = self._language.bare(), self._language.compared()
        others = compared if list(selectors) == list(bare) else bare
        other = _abbreviated(word, others)
        if other is not None and other.matchers:
            example = f"{other.name}.{other.matchers[-1] if len(other.matchers) == 1 else 'equals'}(text)"
            raise FilterError(f"`{word}` has to be compared", self._text, start, len(word), hint=f"as in `{example}`")
        if other is not None:
            begun = [each.name for each in compared if each.name.startswith(word)]
            what = f"`{word}` is too short for {' or '.join(begun)}" if begun else f"`{word}` cannot be compared"
            known = ", ".join(each.name for each in compared)
            raise FilterError(what, self._text, start, len(word), hint=f"what can be compared: {known}")
        names = [each.name for each in (*selectors, *others)]
        best = nearest(word, names)
        hint = f"did you mean `{best}`?" if best else f"known are: {', '.join(dict.fromkeys(names))}"
        raise FilterError(f"unknown selector `{word}`", self._text, start, len(word), hint=hint)

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._end)
        self._word = self._text[found.start(found.lastindex) : found.end()] if found and found.lastindex else ""
        self._end = found.end() if found else len(self._text)
        self._start = self._end - len(self._word)

    def _fail(self, problem: str, *, hint: str | None = None) -> NoReturn:
        raise FilterError(problem, self._text, self._start, len(self._word), hint=hint)


def _abbreviated(word: str, selectors: Iterable[Selector]) -> Selector | None:
    """Return what a word stands for: a name, or the beginning of one that is long enough for it."""
    for each in selectors:
        if len(word) >= each.shortest and each.name.startswith(word):
            return each
    return None


def _pointed(text: str, position: int, length: int) -> str:
    """Return a filter, or the part around a place in it, and below it what points at the place."""
    begin, end = max(0, position - SHOWN), min(len(text), position + SHOWN)
    shown = [character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[begin:end]]
    before = ("..." if begin else "") + "".join(shown[: position - begin])
    after = "".join(shown[position - begin :]) + ("..." if end < len(text) else "")
    marked = cells("".join(shown[position - begin : position - begin + length]))
    return f"    {before}{after}\n    {' ' * cells(before)}{'^' * max(1, marked)}"
