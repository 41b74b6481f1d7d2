"""The command lines of go, and of the test binaries that it builds. Pure; imports nothing of the project.

A `Wanted` says what the user wants of them, in go's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from maelstrom_go_test.packages import DEPENDENCY_FIELDS, FIELDS

USUAL_TIMEOUT = "10m0s"
"""What go test gives a test binary: tests can ask for it (t.Deadline)."""
PROFILE = "/proc/self/fd/3"
"""Where a binary writes its coverage: the channel of a job's results."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted. Names are those of go's flags; empty where go decides."""

    tags: str = ""
    race: bool = False
    vet: str = ""
    build_flags: tuple[str, ...] = ()
    run: str = ""
    skip: str = ""
    bench: str = ""
    benchtime: str = ""
    benchmem: bool = False
    short: bool = False
    fullpath: bool = False
    parallel: str = ""
    cpu: str = ""
    timeout: str = ""
    cover: bool = False
    covermode: str = ""
    coverpkg: str = ""
    extra: tuple[str, ...] = ()
    """Arguments of the test binaries."""

    @property
    def covers(self) -> bool:
        """Whether coverage is measured."""
        return self.cover or bool(self.covermode or self.coverpkg)

    @property
    def mode(self) -> str:
        """How it is measured."""
        return self.covermode or ("atomic" if self.race else "set")

    def build(self) -> tuple[str, ...]:
        """Return what all calls of go have in common."""
        tags = (f"-tags={self.tags}",) if self.tags else ()
        return (*tags, *(("-race",) if self.race else ()), *self.build_flags)

    def list_command(self, patterns: Sequence[str]) -> list[str]:
        """Return what lists packages."""
        return ["go", "list", "-e", f"-json={FIELDS}", *self.build(), "--", *patterns]

    def dependencies_command(self, patterns: Sequence[str]) -> list[str]:
        """Return what lists packages, their tests, and all that these are made from."""
        return ["go", "list", "-e", "-deps", "-test", f"-json={DEPENDENCY_FIELDS}", *self.build(), "--", *patterns]

    def build_command(self, directory: str, packages: Iterable[str]) -> list[str]:
        """Return what builds test binaries, all into one directory."""
        vet = (f"-vet={self.vet}",) if self.vet else ()
        cover: tuple[str, ...] = ()
        if self.covers:
            cover = ("-cover", f"-covermode={self.mode}")
            cover += (f"-coverpkg={self.coverpkg}",) if self.coverpkg else ()
        return ["go", "test", "-c", "-o", f"{directory}/", *vet, *cover, *self.build(), *packages]

    def cover_command(self, profile: str, packages: Iterable[str]) -> list[str]:
        """Return what measures packages that have no tests: it runs nothing, and says what they have."""
        return ["go", "test", f"-covermode={self.mode}", f"-coverprofile={profile}", *self.build(), *packages]

    def list_arguments(self, pattern: str) -> tuple[str, ...]:
        """Return the arguments by which a binary names what is called as a regular expression says."""
        return (f"-test.list={pattern}", "-test.paniconexit0", f"-test.timeout={self.timeout or USUAL_TIMEOUT}")

    def is_partial(self, name: str) -> bool:
        """Tell whether only some of the subtests of a test are wanted, as far as patterns tell."""
        pattern = self.bench if name.startswith("Benchmark") else self.run
        skipped = any(len(parts) > 1 and _matches(parts[0], name) for parts in alternatives(self.skip))
        return skipped or bool(below(pattern, name))

    def arguments(self, name: str) -> tuple[str, ...]:
        """Return the arguments by which a binary runs one test, or benchmark."""
        if not name.startswith("Benchmark"):
            return self._arguments(f"-test.run=^{name}$" + below(self.run, name))
        own = [f"-test.benchtime={self.benchtime}"] if self.benchtime else []
        own += ["-test.benchmem"] if self.benchmem else []
        return self._arguments("-test.run=^$", f"-test.bench=^{name}$" + below(self.bench, name), *own)

    def shared_arguments(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the arguments by which a binary runs several tests."""
        parts = {name: below(self.run, name) for name in names}
        whole = "|".join(name for name, part in parts.items() if not part)
        patterns = [f"^({whole})$"] if whole else []
        patterns += [f"^{name}${part}" for name, part in parts.items() if part]
        return self._arguments(f"-test.run={'|'.join(patterns)}")

    def _arguments(self, *what: str) -> tuple[str, ...]:
        """Return the arguments of a binary; `what` says what is to be run."""
        own = [
            *what,
            "-test.v=test2json",
            "-test.paniconexit0",
            f"-test.timeout={self.timeout or USUAL_TIMEOUT}",
        ]
        for flag, value in (("parallel", self.parallel), ("cpu", self.cpu), ("skip", self.skip)):
            own += [f"-test.{flag}={value}"] if value else []
        own += ["-test.short"] if self.short else []
        own += ["-test.fullpath"] if self.fullpath else []
        if self.covers:
            own += [f"-test.coverprofile={PROFILE}"]
        return (*own, *self.extra)


def alternatives(pattern: str) -> list[list[str]]:
    """Return the parts of a pattern such as go test's -run takes: its alternatives, each cut at slashes.

    Neither counts within brackets or parentheses, or behind a backslash.
    """
    found: list[list[str]] = [[]]
    start = brackets = parentheses = position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            position += 1
        elif character == "[":
            brackets += 1
        elif character == "]":
            brackets = max(0, brackets - 1)
        elif character == "(" and not brackets:
            parentheses += 1
        elif character == ")" and not brackets:
            parentheses -= 1
        elif character in "/|" and not brackets and not parentheses:
            found[-1].append(pattern[start:position])
            start = position + 1
            if character == "|":
                found.append([])
        position += 1
    found[-1].append(pattern[start:])
    return found


def top_pattern(pattern: str) -> str:
    """Return the regular expression of the top-level tests that a pattern means; `.` where it says nothing of them."""
    tops = [parts[0] for parts in alternatives(pattern)]
    return "." if "" in tops else "|".join(tops)


def whole_pattern(pattern: str) -> str:
    """Return the regular expression of the top-level tests of which a pattern means everything; "" for none."""
    return "|".join(parts[0] for parts in alternatives(pattern) if len(parts) == 1 and parts[0])


def below(pattern: str, name: str) -> str:
    """Return what a pattern says of the subtests of a test, as it stands behind the test's name in a pattern."""
    if "/" not in pattern:
        return ""
    rests = dict.fromkeys("/".join(parts[1:]) for parts in alternatives(pattern) if _matches(parts[0], name))
    if not rests or "" in rests:  # all of them
        return ""
    first, *others = rests
    return f"/{first}" + "".join(f"|^{name}$/{rest}" for rest in others)


def _matches(pattern: str, name: str) -> bool:
    """Tell whether a part of a pattern means a name; where the expression is go's own, it may."""
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return True
