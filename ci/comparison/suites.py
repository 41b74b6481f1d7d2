"""Says what a suite is, and reads it from the command line that somebody would type to run it. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

# options of pytest and its usual plugins whose value is the next word
TAKES_VALUE = frozenset({
    "-c", "-k", "-m", "-n", "-o", "-p", "-r", "-W",
    "--basetemp", "--capture", "--color", "--confcutdir", "--cov", "--deselect", "--dist", "--durations",
    "--ignore", "--ignore-glob", "--import-mode", "--junit-xml", "--junitxml", "--log-level", "--maxfail",
    "--override-ini", "--pythonwarnings", "--rootdir", "--tb", "--timeout",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suite:
    """A directory, the interpreter and the arguments with which pytest runs there, and the environment of both."""

    directory: str
    python: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """The directory's name; the one above where that says nothing (NAME/src)."""
        path = posixpath.normpath(self.directory)
        base = posixpath.basename(path)
        return posixpath.basename(posixpath.dirname(path)) if base in {"src", "source", "."} else base


def parse_command(command: str, directory: str, environment: Mapping[str, str]) -> Suite:
    """Read `[cd DIR &&] [env [-i]] [NAME=VALUE]... PYTHON -m pytest [ARGUMENT]...`, with $NAME and ~/ as in a shell.

    `directory` is where it starts. Raises ValueError for anything else: this is no shell.
    """
    words = shlex.split(string.Template(command).safe_substitute(environment))
    home = environment.get("HOME", "~")
    words = [home + word[1:] if word.startswith("~/") else word for word in words]
    if len(words) > 2 and words[0] == "cd" and words[2] == "&&":
        directory = posixpath.join(directory, words[1])
        words = words[3:]
    own = dict(environment)
    if words[:1] == ["env"]:
        words = words[1:]
        if words[:1] == ["-i"]:
            words, own = words[1:], {}
    while words and ASSIGNMENT.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        own[name] = value
    if words[1:3] != ["-m", "pytest"] or {"&&", "||", ";", "|"} & set(words):
        raise ValueError(f"not a command line of the form [cd DIR &&] [env ...] PYTHON -m pytest ...: {command}")
    return Suite(directory, words[0], tuple(words[3:]), own)


def measured(suite: Suite, sources: Sequence[str], data_file: str) -> Suite:
    """Return the suite with pytest-cov asked to measure these sources, test by test, and to print a table.

    Its data goes into a file that is not the project's, in a directory that containers have, too.
    """
    options = [*(f"--cov={source}" for source in sources), "--cov-report=term", "--cov-context=test"]
    return replace(
        suite,
        arguments=(*suite.arguments, *options),
        environment={**suite.environment, "COVERAGE_FILE": data_file},
    )


def without_selection(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of pytest less its positional ones: what remains says how to run, not what."""
    kept: list[str] = []
    for argument in arguments:
        if argument.startswith("-") or (kept and kept[-1] in TAKES_VALUE):
            kept.append(argument)
    return kept
