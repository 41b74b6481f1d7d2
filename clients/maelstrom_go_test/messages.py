"""What `go test -c` says while it builds, told apart by package. Pure.

# example.com/module/package [example.com/module/package.test]
package/a_test.go:3:28: undefined: x
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_HEAD = re.compile(r"^# (\S.*)$")
_SECOND_HEAD = re.compile(r"^# \[(.*)\]$")
"""Of go vet, below the other."""
_NOTHING = re.compile(r"^(\?|ok|---)\s.*\[no test files\]\s*$|^FAIL$")
_FAILED = re.compile(r"^FAIL\s+(\S+) \[(?:build|setup) failed\]$")
"""The last word about a package; on the other stream than what is wrong."""


class Said:
    """The words of a build: those about each package that was asked for, and the others."""

    def __init__(self, text: str, packages: Iterable[str]) -> None:
        """Read what was said; packages are import paths."""
        wanted = frozenset(packages)
        self.about: dict[str, str] = {}
        self.others = ""
        last: dict[str, str] = {}
        current = ""
        for line in text.splitlines(keepends=True):
            stripped = line.rstrip("\r\n")
            if _NOTHING.match(stripped):
                continue
            failed = _FAILED.match(stripped)
            if failed is not None and failed[1] in wanted:
                last[failed[1]] = line
                continue
            head = _HEAD.match(stripped)
            if head is not None and not _SECOND_HEAD.match(stripped):
                current = _package(head[1], wanted)
            if current:
                self.about[current] = self.about.get(current, "") + line
            else:
                self.others += line
        for package, line in last.items():
            self.about[package] = self.about.get(package, "") + line


def _package(head: str, wanted: frozenset[str]) -> str:
    """Return which package is meant by a head: `path`, `path [test.test]`, `path_test [path.test]`; "" for another."""
    name, _, of = head.partition(" ")
    tested = of.strip("[]").removesuffix(".test")
    for each in (tested, name, name.removesuffix("_test"), name.removesuffix(".test")):
        if each in wanted:
            return each
    return ""


def build_failed(package: str, words: str) -> str:
    """Return what `go test` says of a package that could not be built."""
    return f"{words}FAIL\t{package} [build failed]\n"


def setup_failed(package: str, position: str, words: str) -> str:
    """Return what `go test` says of a package that could not be loaded."""
    place = f"{position}: " if position else ""
    return f"# {package}\n{place}{words.rstrip()}\nFAIL\t{package} [setup failed]\n"
