"""The program of a native runner: from its command line to its exit code.

A `Definition` says what is particular to a runner; `run_cli` does the rest. What a run needs is imported when there is
one, and processes are forked before there is an event loop: asyncio, and what imports it, is imported only then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TextIO, TypeVar

import click

from maelstrom_core.config_click import build_command, run_command
from maelstrom_test_runner.command import SELECTING, check_instead, common_parameters
from maelstrom_test_runner.config import RunnerConfig
from maelstrom_test_runner.opening import open_runner

if TYPE_CHECKING:
    from maelstrom_core.config import Program
    from maelstrom_core.config_sources import ConfigFile
    from maelstrom_test_runner.filters import Language
    from maelstrom_test_runner.native import NativeRunner
    from maelstrom_test_runner.native_call import NativeCall
    from maelstrom_test_runner.native_telling import NativeTeller
    from maelstrom_test_runner.outlets import Screen
    from maelstrom_test_runner.runner_file import RunnerFile
    from maelstrom_test_runner.stream import Consumer, EventStream
    from maelstrom_worker.nursery import Nursery

C = TypeVar("C", bound=RunnerConfig)
CHOOSING = ("last_failed", "shard")
"""Options that a shell has no use for; the others say among which tests its own is looked for."""


class Given(NamedTuple):
    """What a command line has beside configuration and common options."""

    own: Mapping[str, Any]
    """The runner's own parameters, by their names."""
    extra: tuple[str, ...]
    """What stands behind `--`."""


class Definition(NamedTuple, Generic[C]):
    """What is particular to a runner's program."""

    program: Program
    module: str
    """What `python -m` runs it by."""
    native: str
    """What its tests would run under otherwise: cargo test, go test."""
    schema: type[C]
    summary: str
    parameters: Callable[[], list[click.Parameter]]
    """The runner's own."""
    example: str
    """A filter."""
    file_name: str
    """The project's file."""
    file_contents: Callable[[], str]
    """What --init writes."""
    language: Callable[[], Language]
    find_root: Callable[[Path], Path]
    """Returns the root of the project that a directory belongs to; reads the file system only."""
    make: Callable[[C, NativeCall, Given, Screen], NativeRunner]
    """Makes the runner; raises UserError. No event loop is there yet."""
    begin: Callable[[C, NativeCall, Given, Screen], None] | None = None
    """Begins with what works while the rest is imported, and `make` takes up; raises UserError. Imports no asyncio."""
    built: tuple[str, ...] = ()
    """Directories below the root with what is built, whose changes are of no interest."""
    display: Callable[[Given, TextIO], Consumer | None] | None = None
    """Returns a display of the runner's own, for programs, where that is wanted instead of those that people read."""
    ending: Callable[[NativeRunner, NativeTeller], None] | None = None
    """Says what is to be said when all tests have run; raises UserError. Not called where they have not."""
    shown: Callable[[str], str] = str
    """Returns what people want to see of lines that a test writes: not the marks of the native runner."""
    exclude_packages: Callable[[tuple[str, ...]], tuple[tuple[str, ...], tuple[str, ...]]] | None = None
    """Tells the filters from the names of packages among the values of --exclude; None: all are filters."""


def run_cli(
    definition: Definition[C], arguments: Sequence[str], *, nursery: Nursery | None = None, stream: TextIO | None = None
) -> int:
    """Run the program and return its exit code. Raises MaelstromError.

    Without a `nursery` one is started where it is needed.
    """
    split = list(arguments).index("--") if "--" in arguments else len(arguments)
    ours, extra = list(arguments[:split]), tuple(arguments[split + 1 :])
    directory = Path.cwd()
    read: list[RunnerFile] = []
    out = sys.stdout if stream is None else stream

    def project_files() -> list[ConfigFile]:
        read.append(_read_file(definition, directory))
        return read[0].config_files()

    def act(config: C, **given: Any) -> int:
        check_instead(given)
        if given["watch"]:
            return _watch(definition, config, directory, (ours, arguments[split:]), out)
        if given["init"]:
            return _write_file(definition, directory, read[0])
        if given["shell"] is not None and any(given[name] for name in CHOOSING):
            raise click.UsageError("--shell TEST is for one test, and excludes --last-failed and --shard")
        if given["replay"] is not None:
            if given["shell"] is not None or any(given[name] for name in SELECTING):
                raise click.UsageError("--replay FILE shows a run that is over, and takes no selection")
            from maelstrom_test_runner.outlets import replay_file

            _take_any_text()
            return replay_file(config, given["replay"], out, _display(definition, Given(given, extra), out))
        return _run(definition, config, directory, file=read[0], given=given, extra=extra, nursery=nursery, stream=out)

    parameters = [
        *definition.parameters(),
        *common_parameters(definition.file_name, example=definition.example, names="names"),
    ]
    command = build_command(
        definition.program,
        definition.schema,
        act,
        summary=definition.summary,
        parameters=parameters,
        project_files=project_files,
    )
    return run_command(command, ours)


def _run(
    definition: Definition[C],
    config: C,
    directory: Path,
    *,
    file: RunnerFile,
    given: Mapping[str, Any],
    extra: tuple[str, ...],
    nursery: Nursery | None,
    stream: TextIO,
) -> int:
    """Do a run in the current directory."""
    from maelstrom_core import log
    from maelstrom_test_runner.native_call import NativeCall
    from maelstrom_test_runner.selecting import read_selection
    from maelstrom_test_runner.told import Beginning, tell_run

    log.listen(config.log_level)
    excluded: tuple[str, ...] = given["exclude"]
    packages: tuple[str, ...] = ()
    if definition.exclude_packages is not None:
        excluded, packages = definition.exclude_packages(excluded)
    call = NativeCall(
        directory=directory,
        root=definition.find_root(directory),
        environment=os.environ,
        file=file,
        file_name=definition.file_name,
        selection=read_selection(
            given["include"],
            excluded,
            definition.language(),
            last_failed=given["last_failed"],
            shard=given["shard"],
        ),
        listing=given["listing"],
        dry_run=given["dry_run"],
        first=tuple(str(directory / path) for path in given["first"]),
    )
    _take_any_text()
    own = Given({**given, "excluded_packages": packages}, extra)
    if given["shell"] is not None:
        from maelstrom_test_runner.native_shell import run_shell
        from maelstrom_test_runner.outlets import screen_of

        make = partial(definition.make, config, call, own, screen_of(sys.stderr, os.environ))
        return run_shell(config, call, given["shell"], make, program=definition.program.name, nursery=nursery)
    body = partial(_run_told, definition, config, (call, own), nursery=nursery)
    display = _display(definition, own, stream)
    beginning = Beginning(definition.program.name, definition.native, str(directory), tuple(sys.argv[1:]))
    return tell_run(config, beginning, stream, os.environ, body, display=display)


def _run_told(
    definition: Definition[C],
    config: C,
    given: tuple[NativeCall, Given],
    told: EventStream,
    screen: Screen,
    *,
    nursery: Nursery | None,
) -> int:
    call, own = given
    from maelstrom_test_runner.native_telling import NativeTeller
    from maelstrom_test_runner.outlets import needs_cases

    if definition.begin is not None:
        definition.begin(config, call, own, screen)
    teller = NativeTeller(told, cases=needs_cases(config, call.environment))
    note = None if call.listing or call.dry_run else teller.note  # what is printed then is read by machines
    opened = open_runner(config, call.project, nursery, note=note)
    native = definition.make(config, call, own, screen)

    import asyncio

    from maelstrom_test_runner.native_course import run_course
    from maelstrom_test_runner.told import told_time

    history = config.cache_root / f"{definition.program.directory}-history" / f"{_digest(call.root)}.jsonl"

    async def run() -> int:
        with told_time(told, screen):
            return await run_course(config, call, native, teller, opened, history=history, shown=definition.shown)

    code = asyncio.run(run())
    if definition.ending is not None and not (call.listing or call.dry_run):
        definition.ending(native, teller)
    return code


def _display(definition: Definition[C], own: Given, stream: TextIO) -> Consumer | None:
    return None if definition.display is None else definition.display(own, stream)


def _digest(root: Path) -> str:
    """Return a name for files about a project."""
    from blake3 import blake3

    return blake3(os.fsencode(root)).hexdigest(16)


def _read_file(definition: Definition[C], directory: Path) -> RunnerFile:
    """Return the project's file, or what stands for none. Raises ConfigError."""
    from maelstrom_test_runner.directives import Directives
    from maelstrom_test_runner.runner_file import RunnerFile, find, load

    path = find(definition.file_name, directory, definition.find_root(directory))
    if path is None:
        return RunnerFile(Directives())
    return load(path, definition.language(), [value.key for value in definition.schema.schema()])


def _write_file(definition: Definition[C], directory: Path, present: RunnerFile) -> int:
    """Write a file in the project's root, unless there is one for this directory. Raises UserError."""
    from maelstrom_test_runner.runner_file import already_there, write_default

    if present.path is not None:
        raise already_there(present.path)
    path = definition.find_root(directory) / definition.file_name
    write_default(path, definition.file_contents())
    click.echo(f"wrote {path}")
    return 0


def _watch(
    definition: Definition[C], config: C, directory: Path, words: tuple[Sequence[str], Sequence[str]], stream: TextIO
) -> int:
    """Run this very command line whenever something changes. Raises HostError."""
    from maelstrom_test_runner.ignored import Ignored
    from maelstrom_test_runner.watching import watch_project

    own, extra = words

    def command(changed: Sequence[str]) -> list[str]:
        first = [f"--first={path}" for path in changed]
        return [sys.executable, "-m", definition.module, *own, "--no-watch", *first, *extra]

    root = definition.find_root(directory)
    outputs = [path for path in (config.report, config.junit_xml, config.trace) if path is not None]
    built = [root / name for name in definition.built]
    return watch_project(root, Ignored(root, outputs, built), command, stream)


def _take_any_text() -> None:
    """Let our streams take what tests print, which need not be encodable."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
