"""Command lines as people type them for go test: its flags, with one dash, in the words of this program. Pure.

What is a flag neither of go test nor of this program is one of the test binaries, as for go test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import click

VALUES = frozenset({
    "bench", "benchtime", "covermode", "coverpkg", "coverprofile", "cpu", "parallel", "run", "skip", "tags", "vet",
})  # fmt: skip
"""Flags with a value that are options here, with two dashes."""
SWITCHES = {
    "benchmem": "benchmem", "cover": "cover", "fullpath": "fullpath", "json": "json", "race": "race",
    "short": "short", "v": "verbose",
}  # fmt: skip
"""Flags without one, and the options that they are."""
CONFIGURED = frozenset({"fullpath", "race", "short"})
"""Those that a configuration may have switched on."""
BUILD = frozenset({
    "asmflags", "buildmode", "buildvcs", "compiler", "gccgoflags", "gcflags", "installsuffix", "ldflags", "mod",
    "modfile", "overlay", "pgo", "pkgdir", "toolexec",
})  # fmt: skip
"""Flags of go build that have a value."""
BUILD_ALONE = frozenset({"asan", "linkshared", "modcacherw", "msan", "trimpath", "work"})
FUZZING = "fuzzing is for `go test -fuzz`; what it finds goes to testdata/fuzz, and is run here as any other test"
PROFILING = "a profile is of one process, and each test has its own here: that is for `go test`"
REFUSED = {
    **dict.fromkeys(("fuzz", "fuzztime", "fuzzminimizetime"), FUZZING),
    **dict.fromkeys(
        ("cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace", "memprofilerate", "outputdir"), PROFILING
    ),
    "exec": "tests run in containers; a program around them has no place there",
    "o": "test binaries are built into the cache; `go test -c -o FILE` builds one for you",
}
YES, NO = frozenset({"1", "t", "T", "true", "TRUE", "True"}), frozenset({"0", "f", "F", "false", "FALSE", "False"})
"""What go takes for either."""
SHUFFLING = re.compile(r"on|off|-?\d+")
SHORT = "iltrswvcxhLP"
"""The letters of this program's own short options, which may stand together or before a value."""
_FLAG = re.compile(r"-(?:test\.)?([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_OURS = re.compile(rf"[{SHORT}]|[lwvPh]+|[ix](?:all|any|none)|[trsL]\d[\d.]*|L(?:error|warning|info|debug)")


OF_RUNS = frozenset({
    "bench", "benchmem", "benchtime", "count", "cpu", "failfast", "fullpath", "parallel", "run", "short", "skip",
    "timeout", "v",
})  # fmt: skip
"""Flags that go itself does nothing with when it builds."""


def of_runs(flags: str) -> list[str]:
    """Return those of a value of GOFLAGS that are about how tests run: go takes the others from there itself."""
    found = (
        (_FLAG.fullmatch(word.removeprefix("-") if word.startswith("--") else word), word) for word in flags.split()
    )
    return [word for flag, word in found if flag is not None and flag[1] in OF_RUNS]


class _Words:
    """The words of a command line, taken one by one."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)

    def __iter__(self) -> Iterator[str]:
        while self._words:
            yield self._words.pop(0)

    def rest(self) -> list[str]:
        return self._words

    def value(self, name: str, value: str | None) -> str:
        """Return the value of a flag: what stood behind `=`, or else the next word. Raises click.UsageError."""
        if value is not None:
            return value
        if not self._words:
            raise click.UsageError(f"Option '-{name}' requires an argument.")
        return self._words.pop(0)

    def operand(self) -> list[str]:
        """Return the next word, if it is no flag."""
        return [self._words.pop(0)] if self._words and not self._words[0].startswith("-") else []


def translate(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which flags of go test are options of this program. Raises click.UsageError."""
    found: list[str] = []
    binaries: list[str] = []
    words = _Words(arguments)
    for word in words:
        if word == "--" or word in {"-args", "--args"}:
            binaries += words.rest()
            break
        flag = _FLAG.fullmatch(word)
        if flag is None or (_OURS.fullmatch(flag[1]) and flag[1] != "v"):
            found.append(word)
            continue
        options = _options(flag[1], flag[2], words)
        if options is not None:
            found += options
        else:  # what follows may be its value, or a package: go does not know either
            binaries += [word, *([] if flag[2] is not None else words.operand())]
    return [*found, "--", *binaries] if binaries else found


def _options(name: str, value: str | None, words: _Words) -> list[str] | None:
    """Return the options that a flag stands for; None where go test does not know it."""
    if name in REFUSED:
        raise click.UsageError(f"-{name} of go test is not to be had here: {REFUSED[name]}")
    if name in SWITCHES:
        return _switch(name, _is_on(name, value))
    if name == "failfast":
        return ["--stop-after=1"] if _is_on(name, value) else []
    if name in BUILD_ALONE:
        return [f"--build-flags=-{name}"] if _is_on(name, value) else []
    if name not in VALUES | BUILD | {"count", "timeout", "list", "shuffle", "p"}:
        return None
    given = words.value(name, value)
    if name in VALUES:
        return [f"--{name}={given}"]
    if name in BUILD:
        return [f"--build-flags=-{name}={given}"]
    return _special(name, given)


def _special(name: str, given: str) -> list[str]:
    """Return the options for a flag that is called otherwise here."""
    if name == "count":  # it is how one asks go test for no cached results
        return [f"--repeat={given}", "--no-cache"]
    if name == "timeout":
        return [f"--test-timeout={given}"]
    if name == "list":
        return ["--list", f"--run={given}", f"--bench={given}"]
    if name == "p":
        return [f"--slots={given}", f"--build-flags=-p={given}"]
    if not SHUFFLING.fullmatch(given):
        raise click.UsageError(f"-shuffle: `{given}` is none of on, off, and a number")
    return []  # each test runs alone: any order is as good as another


def _switch(name: str, on: bool) -> list[str]:
    if on:
        return [f"--{SWITCHES[name]}"]
    return [f"--no-{name}"] if name in CONFIGURED else []


def _is_on(name: str, value: str | None) -> bool:
    """Tell what a flag that is on or off says. Raises click.UsageError."""
    if value is None or value in YES or (name == "v" and value == "test2json"):
        return True
    if value not in NO:
        raise click.UsageError(f"-{name}: `{value}` is neither true nor false")
    return False
