"""The command line of cargo-maelstrom, and what is particular to it.

    cargo maelstrom [NAME]... [OPTION]... [-- TEST_BINARY_ARGUMENT...]

What a run needs is imported when there is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from cargo_maelstrom.config import FILE_NAME, PROGRAM, CargoConfig
from maelstrom_test_runner.native_program import Definition, Given, run_cli

if TYPE_CHECKING:
    from cargo_maelstrom.runner import CargoRunner
    from maelstrom_test_runner.filters import Language
    from maelstrom_test_runner.native import NativeRunner
    from maelstrom_test_runner.native_course import NativeCall
    from maelstrom_test_runner.outlets import Screen
    from maelstrom_worker.nursery import Nursery

SUMMARY = """Run the tests of a Cargo project, each in a container of its own.

NAME selects tests, and options of packages, targets and builds mean what they mean for `cargo test`. Everything after
"--" goes to the test binaries."""


def own_arguments(arguments: Sequence[str]) -> Sequence[str]:
    """Return what is left where cargo calls us, as `cargo-maelstrom maelstrom ...`."""
    return arguments[1:] if arguments and arguments[0] == "maelstrom" else arguments


def run_cargo(arguments: Sequence[str], *, nursery: Nursery | None = None, stream: TextIO | None = None) -> int:
    """Run the program, and report coverage where that was measured; return the exit code. Raises MaelstromError."""
    from maelstrom_test_runner.summary import EXIT_INTERRUPTED

    made: list[CargoRunner] = []

    def make(config: CargoConfig, call: NativeCall, given: Given, screen: Screen) -> NativeRunner:
        made.append(_make(config, call, given, screen))
        return made[0]

    try:
        code = run_cli(_definition(make), arguments, nursery=nursery, stream=stream)
        for runner in made:
            if code != EXIT_INTERRUPTED and (subject := runner.subject) is not None:
                from cargo_maelstrom.covered import report_coverage

                report_coverage(subject, os.environ, click.echo)
        return code
    finally:
        for runner in made:
            runner.discard()


def _parameters() -> list[click.Parameter]:
    def flag(*names: str, help: str) -> click.Option:  # noqa: A002 - click's word
        return click.Option([*names], is_flag=True, help=help)

    def several(*names: str, metavar: str, help: str) -> click.Option:  # noqa: A002
        return click.Option([*names], multiple=True, metavar=metavar, help=help)

    return [
        click.Argument(["names"], nargs=-1, metavar="[NAME]... [-- TEST_BINARY_ARGUMENT...]"),
        several("-p", "--package", metavar="SPEC", help="Run the tests of this package. Can be given several times."),
        flag("--workspace", "--all", help="Run the tests of all packages; `--exclude PACKAGE` leaves one out."),
        flag("--lib", help="Run the tests of libraries only."),
        several("--bin", metavar="NAME", help="Run the tests of this program."),
        flag("--bins", help="Run the tests of programs."),
        several("--test", metavar="NAME", help="Run the tests of this integration test."),
        flag("--tests", help="Run the tests of all targets that are tested by default."),
        several("--example", metavar="NAME", help="Run the tests of this example."),
        flag("--examples", help="Run the tests of examples."),
        several("--bench", metavar="NAME", help="Run this benchmark once, as a test."),
        flag("--benches", help="Run benchmarks once, as tests."),
        flag("--all-targets", help="Run the tests of all targets, but not those of documentation."),
        click.Option(["--doc", "only_doc"], is_flag=True, help="Run the tests of documentation only."),
        flag("--release", help="Build with the profile `release`."),
        click.Option(["--manifest-path"], metavar="PATH", help="Use this Cargo.toml."),
    ]


def _make(config: CargoConfig, call: NativeCall, given: Given, screen: Screen) -> CargoRunner:
    from cargo_maelstrom.arguments import read_choices, read_test_arguments
    from cargo_maelstrom.runner import CargoRunner

    choices = read_choices(given.own)
    arguments = read_test_arguments(choices.names, given.extra, config.extra_test_binary_args)
    return CargoRunner(config, call, choices, arguments, colour=screen.colour)


def find_root(directory: Path) -> Path:
    """Return the topmost directory with a Cargo.toml, of those that belong to one repository; else the directory."""
    from maelstrom_test_runner.shown import ancestors, repository_root

    found = list(ancestors(directory))
    repository = repository_root(found)
    if repository is not None:
        found = found[: found.index(repository) + 1]
    return next((each for each in reversed(found) if (each / "Cargo.toml").is_file()), directory)


def _language() -> Language:
    from cargo_maelstrom.selecting import LANGUAGE

    return LANGUAGE


def _contents() -> str:
    from cargo_maelstrom.default_file import CONTENTS

    return CONTENTS


def _tell_packages(excluded: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from cargo_maelstrom.arguments import tell_packages

    return tell_packages(excluded)


def _definition(make: Callable[[CargoConfig, NativeCall, Given, Screen], NativeRunner]) -> Definition[CargoConfig]:
    return Definition(
        program=PROGRAM,
        module="cargo_maelstrom",
        native="cargo test",
        schema=CargoConfig,
        summary=SUMMARY,
        parameters=_parameters,
        example="package.equals(parser)",
        file_name=FILE_NAME,
        file_contents=_contents,
        language=_language,
        find_root=find_root,
        make=make,
        built=("target",),
        exclude_packages=_tell_packages,
    )


CARGO = _definition(_make)
