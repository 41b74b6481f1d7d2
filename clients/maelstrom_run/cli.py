"""The command line of maelstrom-run: which of its forms is meant, and what it needs.

    maelstrom-run < JOBS            a stream of jobs
    maelstrom-run --one < JOB       one job; ends as it ended
    maelstrom-run -- COMMAND ...    one command on this machine, sealed; ends as it ended
    maelstrom-run --image NAME -- COMMAND ...
                                    the same in a container of an image
    maelstrom-run --image NAME      what the image runs by itself

What a form needs is imported when it is chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from maelstrom_core.config_click import build_command, run_command
from maelstrom_run.backend import Backend
from maelstrom_run.config import PROGRAM, RunConfig

if TYPE_CHECKING:
    from maelstrom_run.present import Printer

SUMMARY = """Run jobs, each in its own container.

Jobs are JSON objects, one after the other on standard input; or give a COMMAND, which is run in a sealed
container that shows this machine's programs and the current directory, or with --image those of an image."""


def run_cli(arguments: Sequence[str], backend: Backend, *, die: Callable[[int], NoReturn] | None = None) -> int:
    """Run the program and return its exit code; `die` is how it ends like a job that was killed by a signal."""

    def run(
        config: RunConfig, command: tuple[str, ...], *, file: str | None, image: str | None, one: bool, doctor: bool
    ) -> int:
        if doctor:
            return backend.doctor(config)
        if command and file is not None and not one:
            raise click.UsageError("a command and --file exclude each other, except with --one")
        if image is not None and (one or file is not None):
            raise click.UsageError("--image takes neither --one nor --file: an image is a job's own, there")
        if one or command or image is not None:
            from maelstrom_run.one import die_by_signal

            return _run_one(config, backend, command, file, image, from_stream=one, die=die or die_by_signal)
        return _run_stream(config, backend, file)

    parameters: list[click.Parameter] = [
        click.Argument(["command"], nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND [ARGUMENT]...]"),
        click.Option(["-f", "--file"], metavar="PATH", help="Read jobs from this file instead of standard input."),
        click.Option(
            ["-1", "--one"],
            is_flag=True,
            help="Run the first job only, and end as it ended. COMMAND, if given, replaces its program and arguments.",
        ),
        click.Option(
            ["--image"],
            metavar="NAME",
            help="Run COMMAND, or what the image runs by itself, in a container of this image: "
            "docker://[HOST/]NAME[:TAG], oci:DIRECTORY[:TAG] or oci-archive:FILE[:TAG].",
        ),
        click.Option(["--doctor"], is_flag=True, help="Check whether this machine allows containers, and exit."),
    ]
    command = build_command(PROGRAM, RunConfig, run, summary=SUMMARY, parameters=parameters, options_first=True)
    return run_command(command, arguments)


def _run_one(
    config: RunConfig,
    backend: Backend,
    command: tuple[str, ...],
    file: str | None,
    image: str | None,
    *,
    from_stream: bool,
    die: Callable[[int], NoReturn],
) -> int:
    directory = Path.cwd()
    # Forks, before there is more to copy; the nursery sets itself up while we go on.
    with backend.open_single(config, directory) as single:
        from functools import partial

        from maelstrom_core.spec import JobSpec
        from maelstrom_run.one import OneJob, mimic, read_one, with_command
        from maelstrom_run.source import open_source, read

        if from_stream:
            with open_source(file) as descriptor:
                job = read_one(partial(read, descriptor))
        else:
            container = backend.default_container(directory) if image is None else backend.image_container(image)
            job = OneJob(JobSpec(container=container, program=command[0] if command else ""))
        job = with_command(job, command, config.timeout)
        own = not from_stream and not command
        outcome = single.run(job.spec, job.containers, inline_limit=config.inline_limit, image_command=own)
    _printer().show_one(outcome)
    return mimic(outcome, die)


def _run_stream(config: RunConfig, backend: Backend, file: str | None) -> int:
    import gc

    from maelstrom_run.source import open_source, read_chunks
    from maelstrom_worker.blocking import BlockingLoop

    with open_source(file) as descriptor:
        loop = BlockingLoop()
        opened = backend.open_client(config, Path.cwd(), loop)  # forks: before there is more to copy

        from maelstrom_run.interrupt import orderly_interrupts
        from maelstrom_run.stream import Stream, StreamOptions

        # What is here stays. A backlog has many objects and no cycles: looking for some at every 700 costs 2 %.
        gc.freeze()
        gc.set_threshold(50_000)
        gc.enable()
        options = StreamOptions(timeout=config.timeout, inline_limit=config.inline_limit)
        with orderly_interrupts(loop), opened as client:
            return Stream(client, _printer(), options, loop.run_once).run(read_chunks(descriptor, loop))


def _printer() -> Printer:
    from maelstrom_run.present import Printer

    return Printer(sys.stdout.buffer, sys.stderr.buffer, terminal=sys.stdout.isatty())
