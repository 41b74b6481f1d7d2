"""The command line of maelstrom-go-test.

    maelstrom-go-test [PACKAGE]... [OPTION]... [-- ARGUMENT_OF_TEST_BINARIES...]

What a run needs is imported when there is one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import click

from maelstrom_go_test.config import FILE_NAME, PROGRAM, GoConfig
from maelstrom_go_test.words import of_runs, translate
from maelstrom_test_runner.native_program import Definition, Given, run_cli
from maelstrom_test_runner.opening import import_asyncio

if TYPE_CHECKING:
    from maelstrom_go_test.flags import Wanted
    from maelstrom_go_test.runner import GoRunner
    from maelstrom_test_runner.filters import Language
    from maelstrom_test_runner.native import NativeRunner
    from maelstrom_test_runner.native_call import NativeCall
    from maelstrom_test_runner.native_telling import NativeTeller
    from maelstrom_test_runner.outlets import Screen
    from maelstrom_test_runner.stream import Consumer
    from maelstrom_worker.nursery import Nursery

SUMMARY = """Run the tests of Go packages, each in a container of its own.

PACKAGE is a pattern as for go test; without any all packages below the current directory are meant. go test's own
flags can be written as there, with one dash. Everything after "--" goes to the test binaries."""
DURATION = re.compile(r"0|(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+")


def run_go_test(arguments: Sequence[str], *, nursery: Nursery | None = None, stream: TextIO | None = None) -> int:
    """Run the program and return its exit code. Raises MaelstromError."""
    try:
        words = translate([*of_runs(os.environ.get("GOFLAGS", "")), *arguments])
    except click.UsageError as error:
        error.show()
        return 2
    return run_cli(_definition(), words, nursery=nursery, stream=stream)


def _definition() -> Definition[GoConfig]:
    from maelstrom_go_test.place import find_root

    return Definition(
        program=PROGRAM,
        module="maelstrom_go_test",
        native="go test",
        schema=GoConfig,
        summary=SUMMARY,
        parameters=_parameters,
        example="name.starts_with(TestHTTP)",
        file_name=FILE_NAME,
        file_contents=_contents,
        language=_language,
        find_root=find_root,
        make=_make,
        begin=_begin,
        display=_display,
        ending=_ending,
        shown=_shown,
    )


def _begin(config: GoConfig, _call: NativeCall, _given: Given, _screen: Screen) -> None:
    import_asyncio(config)


def _display(given: Given, stream: TextIO) -> Consumer | None:
    if not given.own["json"]:
        return None
    if given.own["listing"] or given.own["dry_run"]:
        raise click.UsageError("--json tells of tests that run; --list and --dry-run run none")
    from maelstrom_go_test.json_display import GoJson

    return GoJson(stream, sys.stderr)


def _ending(runner: NativeRunner, teller: NativeTeller) -> None:
    from maelstrom_go_test.covered import report_coverage
    from maelstrom_go_test.runner import GoRunner

    assert isinstance(runner, GoRunner)  # noqa: S101 - it is what _make has made
    report_coverage(runner, teller.message)


def _shown(text: str) -> str:
    from maelstrom_go_test.output import unmarked

    return unmarked(text)


def _contents() -> str:
    from maelstrom_go_test.default_file import CONTENTS

    return CONTENTS


def _language() -> Language:
    from maelstrom_go_test.rules import LANGUAGE

    return LANGUAGE


def _parameters() -> list[click.Parameter]:
    def text(name: str, metavar: str, words: str) -> click.Option:
        return click.Option([f"--{name}"], metavar=metavar, help=words)

    return [
        click.Argument(["packages"], nargs=-1, metavar="[PACKAGE]... [-- ARGUMENT...]"),
        text("run", "PATTERN", "Run tests, examples and seeds of fuzzing that match, as go test's -run."),
        text("skip", "PATTERN", "Run none that match, as go test's -skip."),
        text("bench", "PATTERN", "Run benchmarks that match as well, as go test's -bench."),
        text("benchtime", "TIME", "How long, or how often (100x), a benchmark runs, as go test's -benchtime."),
        click.Option(["--benchmem"], is_flag=True, help="Show what benchmarks allocate, as go test's -benchmem."),
        text("parallel", "N", "How many parallel subtests of a test run at once, as go test's -parallel."),
        text("cpu", "LIST", "Run each test with these values of GOMAXPROCS, as go test's -cpu."),
        text("test-timeout", "TIME", "When a test binary gives up, such as 30s; go test's -timeout. [default: 10m]"),
        click.Option(["--cover"], is_flag=True, help="Measure coverage, as go test's -cover."),
        text("covermode", "MODE", "How coverage is measured: set, count or atomic, as go test's -covermode."),
        text("coverpkg", "PATTERNS", "Of which packages coverage is measured, as go test's -coverpkg."),
        text("coverprofile", "FILE", "Write what was covered to this file, as go test's -coverprofile."),
        click.Option(["-v", "--verbose"], is_flag=True, help="Show what tests say that pass, as go test's -v."),
        click.Option(["--json"], is_flag=True, help="Print the events of go test -json, for programs that read them."),
    ]


def _make(config: GoConfig, call: NativeCall, given: Given, _screen: Screen) -> GoRunner:
    """Make the runner. Raises UserError."""
    from maelstrom_core.spec import Seccomp
    from maelstrom_go_test.building import open_directory
    from maelstrom_go_test.place import Installed, Place
    from maelstrom_go_test.runner import GoRunner, Plan
    from maelstrom_go_test.tool import Go
    from maelstrom_test_runner.native import Isolation

    wanted = _wanted(config, given)
    root = str(call.root)
    binaries = open_directory(config.cache_root.absolute() / "go-binaries", _digest(root, wanted))
    plan = Plan(
        patterns=given.own["packages"],
        wanted=wanted,
        selection=call.selection,
        directives=call.file.directives,
        binaries=binaries,
        grace=config.timeout_grace,
        isolation=Isolation.BINARY if config.isolation == "package" else Isolation(config.isolation),
        verbose=given.own["verbose"],
        whole_output=given.own["json"],
        timeout=config.timeout,
        cache=config.cache and config.repeat == 1 and not (call.listing or call.dry_run),
        outputs=tuple(path for path in (config.report, config.junit_xml, config.trace) if path is not None),
        profile=None if (profile := given.own["coverprofile"]) is None else call.directory / profile,
    )
    place = Place(
        root=root,
        installed=Installed(),
        binaries=str(binaries),
        environment=call.environment,
        named=call.file.directives.containers,
        hermetic=config.hermetic,
        seccomp=Seccomp.DEFAULT if config.seccomp else Seccomp.OFF,
        memory=config.memory,
    )
    return GoRunner(Go(call.directory, call.environment), plan, place)


def _wanted(config: GoConfig, given: Given) -> Wanted:
    from maelstrom_go_test.flags import Wanted

    own = given.own
    timeout = own["test_timeout"] or ""
    if timeout and not DURATION.fullmatch(timeout):
        raise click.UsageError(f"--test-timeout: `{timeout}` is no duration of go, such as 30s or 1h15m")
    if (mode := own["covermode"]) not in {None, "set", "count", "atomic"}:
        raise click.UsageError(f"--covermode: `{mode}` is none of set, count, atomic")
    return Wanted(
        tags=config.tags or "",
        race=config.race,
        vet=config.vet or "",
        build_flags=config.build_flags,
        run=own["run"] or "",
        skip=own["skip"] or "",
        bench=own["bench"] or "",
        benchtime=own["benchtime"] or "",
        benchmem=own["benchmem"],
        short=config.short,
        fullpath=config.fullpath,
        parallel=own["parallel"] or "",
        cpu=own["cpu"] or "",
        timeout=timeout,
        cover=own["cover"] or own["coverprofile"] is not None,
        covermode=mode or "",
        coverpkg=own["coverpkg"] or "",
        extra=(*config.extra_test_binary_args, *given.extra),
    )


def _digest(root: str, wanted: Wanted) -> str:
    """Return a name for the binaries of a project that are built in this way."""
    from blake3 import blake3

    parts = [root, *wanted.build(), wanted.coverpkg, wanted.mode if wanted.covers else ""]
    return blake3(b"\0".join(map(os.fsencode, parts))).hexdigest(16)
