"""Command lines as people type them for go test: its flags, with one dash, in the words of this program. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

SAME = frozenset({
    "bench", "benchmem", "benchtime", "cover", "covermode", "coverpkg", "coverprofile", "cpu", "fullpath", "list",
    "parallel", "race", "run", "short", "skip", "tags", "verbose", "vet",
})  # fmt: skip
"""Flags that are options here, with two dashes."""
OTHERS = {"count": "repeat", "timeout": "test-timeout", "v": "verbose"}
"""Flags that are options with another name."""
BUILD = frozenset({
    "asmflags", "buildmode", "buildvcs", "compiler", "gccgoflags", "gcflags", "installsuffix", "ldflags", "mod",
    "modfile", "overlay", "pgo", "pkgdir", "toolexec",
})  # fmt: skip
"""Flags of go build that have a value."""
BUILD_ALONE = frozenset({"a", "asan", "linkshared", "modcacherw", "msan", "trimpath", "work"})
REFUSED = {
    "fuzz": "fuzzing goes on until it is stopped: that is for `go test`; the seeds are tests as others",
    "json": "--report FILE writes all that happens as JSON lines",
    "exec": "tests run in containers; a program around them has no place there",
    "shuffle": "each test runs alone: there is no order that could matter",
}
_FLAG = re.compile(r"-([a-z]+)(?:=(.*))?", re.DOTALL)


def translate(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which flags of go test are options of this program. Raises click.UsageError."""
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*found, word, *words]
        if word in {"-args", "--args"}:
            return [*found, "--", *words]
        flag = _FLAG.fullmatch(word)
        found += [word] if flag is None else _translated(word, flag[1], flag[2], words)
    return found


def _translated(word: str, name: str, value: str | None, words: object) -> list[str]:
    if name in REFUSED:
        raise click.UsageError(f"-{name} of go test is not to be had here: {REFUSED[name]}")
    if name == "failfast":
        return ["--stop-after=1"]
    if name in BUILD_ALONE and len(name) > 1:
        return [f"--build-flags={word}"]
    if name in BUILD:
        given = next(words, None) if value is None else value  # type: ignore[call-overload]
        if given is None:
            raise click.UsageError(f"Option '-{name}' requires an argument.")
        return [f"--build-flags=-{name}={given}"]
    if name in SAME or name in OTHERS:
        option = f"--{OTHERS.get(name, name)}"
        if value in {"true", "false"} and name in {"race", "short", "fullpath"}:
            return [option if value == "true" else f"--no-{name}"]
        return [option if value is None else f"{option}={value}"]
    return [word]
