"""The command line of cargo-maelstrom, and what is particular to it.

    cargo maelstrom [NAME]... [OPTION]... [-- TEST_BINARY_ARGUMENT...]

What a run needs is imported when there is one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from cargo_maelstrom.config import FILE_NAME, PROGRAM, CargoConfig
from maelstrom_test_runner.native_program import Definition, Given, run_cli
from maelstrom_test_runner.opening import import_asyncio

if TYPE_CHECKING:
    from cargo_maelstrom.arguments import Choices, TestArguments
    from cargo_maelstrom.calls import Calls
    from cargo_maelstrom.runner import CargoRunner
    from maelstrom_test_runner.filters import Language
    from maelstrom_test_runner.native import NativeRunner
    from maelstrom_test_runner.native_call import NativeCall
    from maelstrom_test_runner.outlets import Screen
    from maelstrom_worker.nursery import Nursery

SUMMARY = """Run the tests of a Cargo project, each in a container of its own.

NAME selects tests, and options of packages, targets and builds mean what they mean for `cargo test`. Everything after
"--" goes to the test binaries."""


def own_arguments(arguments: Sequence[str]) -> Sequence[str]:
    """Return what is left where cargo calls us, as `cargo-maelstrom maelstrom ...`."""
    return arguments[1:] if arguments and arguments[0] == "maelstrom" else arguments


class _Run:
    """What a run has begun and made."""

    def __init__(self) -> None:
        self._calls: Calls | None = None
        self.runner: CargoRunner | None = None

    def begin(self, config: CargoConfig, call: NativeCall, given: Given, screen: Screen) -> None:
        """Have cargo and rustc begin, and import beside them."""
        from cargo_maelstrom.calls import Calls

        choices, _ = _read(config, given)
        self._calls = Calls(config, call, choices, colour=screen.colour)
        import_asyncio(config)

    def make(self, config: CargoConfig, call: NativeCall, given: Given, screen: Screen) -> NativeRunner:
        """Return what runs tests."""
        if self._calls is None:
            self.begin(config, call, given, screen)
        from cargo_maelstrom.runner import CargoRunner

        assert self._calls is not None  # noqa: S101 - for the type checker
        self.runner = CargoRunner(config, call, *_read(config, given), self._calls)
        return self.runner

    def discard(self) -> None:
        """Remove what is left of the run."""
        if self._calls is not None:
            self._calls.close()
        if self.runner is not None:
            self.runner.discard()


def _read(config: CargoConfig, given: Given) -> tuple[Choices, TestArguments]:
    from cargo_maelstrom.arguments import read_choices, read_test_arguments

    choices = read_choices(given.own)
    return choices, read_test_arguments(choices.names, given.extra, config.extra_test_binary_args)


def run_cargo(arguments: Sequence[str], *, nursery: Nursery | None = None, stream: TextIO | None = None) -> int:
    """Run the program, and report coverage where that was measured; return the exit code. Raises MaelstromError."""
    from maelstrom_test_runner.summary import EXIT_INTERRUPTED

    run = _Run()
    try:
        code = run_cli(_definition(run), arguments, nursery=nursery, stream=stream)
        subject = run.runner.subject if run.runner is not None and code != EXIT_INTERRUPTED else None
        if subject is not None:
            from cargo_maelstrom.covered import report_coverage

            report_coverage(subject, os.environ, click.echo)
        return code
    finally:
        run.discard()


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


def _definition(run: _Run) -> Definition[CargoConfig]:
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
        make=run.make,
        begin=run.begin,
        built=("target",),
        exclude_packages=_tell_packages,
    )


CARGO = _definition(_Run())
