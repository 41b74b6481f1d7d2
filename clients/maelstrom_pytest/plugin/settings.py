"""What the plugin is configured with, and what pytest is told in containers. Pure, but for reading configuration files.

Must not import asyncio or pytest.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence

from maelstrom_core.config_sources import read_files, resolve
from maelstrom_pytest.config import PROGRAM, PytestConfig
from maelstrom_test_runner.runner_file import RunnerFile

VALUES = (
    *("slots", "isolation", "timeout", "cache_root", "image"),
    *("broker", "credentials", "tls_ca", "tls_cert", "tls_key"),
)
SWITCHED_ON = ("tls",)
SWITCHED_OFF = ("template", "seccomp", "local")
REFUSED = {
    "usepdb": "--pdb",
    "trace": "--trace",
    "setuponly": "--setup-only",
    "setupshow": "--setup-show",
    "setupplan": "--setup-plan",
}
"""Options that show what a test's process does while it does it, by destination."""
REPORTERS = ("vscode_pytest",)
"""Plugins named on command lines by editors: they tell a socket of this machine what becomes of tests."""
SEEDS = ("randomly_seed",)
"""Options whose value a plugin has drawn: it has to be the same in all processes of a session."""


def configuration(options: argparse.Namespace, environment: Mapping[str, str], file: RunnerFile) -> PytestConfig:
    """Return the configuration: that of maelstrom-pytest, with the plugin's options and the project's file.

    Raises ConfigError.
    """
    given: dict[str, object] = {}
    for name in VALUES:
        value = getattr(options, f"maelstrom_{name}", None)
        if value is not None:
            given[name] = value
    given.update((name, True) for name in SWITCHED_ON if getattr(options, f"maelstrom_{name}", False))
    given.update((name, False) for name in SWITCHED_OFF if getattr(options, f"maelstrom_no_{name}", False))
    files = [*file.config_files(), *read_files(PROGRAM, environment, None)]
    return resolve(PROGRAM, PytestConfig, options=given, environ=environment, files=files).config


def refused(options: argparse.Namespace) -> str | None:
    """Return an option that was given and cannot be had together with containers."""
    return next((option for name, option in REFUSED.items() if getattr(options, name, False)), None)


def in_our_words(text: str) -> str:
    """Return a message with our names of the options of maelstrom-pytest."""
    names = [*VALUES, *SWITCHED_ON, *(f"no-{name}" for name in SWITCHED_OFF)]
    pattern = "|".join(name.replace("_", "-") for name in names)
    return re.sub(rf"(?<![\w-])--({pattern})(?![\w-])", r"--maelstrom-\1", text)


def guest_arguments(arguments: Sequence[str], *, uncaptured: bool) -> tuple[str, ...]:
    """Return pytest's arguments in containers: without the reporters of editors, and with captured output.

    What a test prints comes with its reports; `uncaptured`: and the session prints it itself.
    """
    kept = list(_without_reporters(arguments))
    if uncaptured:
        end = kept.index("--") if "--" in kept else len(kept)
        kept[end:end] = ["--capture=fd"]
    return tuple(kept)


def _without_reporters(arguments: Sequence[str]) -> Iterator[str]:
    waiting = False
    for argument in arguments:
        if waiting:
            waiting = False
            if argument not in REPORTERS:
                yield from ("-p", argument)
        elif argument == "-p":
            waiting = True
        elif not (argument.startswith("-p") and argument[2:] in REPORTERS):
            yield argument
    if waiting:
        yield "-p"
