"""The command line of maelstrom-run: which of its forms is meant, and what it needs.

    maelstrom-run < JOBS            a stream of jobs
    maelstrom-run --one < JOB       one job; ends as it ended
    maelstrom-run -- COMMAND ...    one command on this machine, sealed; ends as it ended
    maelstrom-run --image NAME -- COMMAND ...
                                    the same in a container of an image
    maelstrom-run --tty ...         a command, or the job of --file, on this terminal
    maelstrom-run --stdin ...       the same with our standard input
    maelstrom-run --map -- COMMAND ... < INPUTS
                                    one command over many inputs
    maelstrom-run --image NAME      what the image runs by itself

What a form needs is imported when it is chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from maelstrom_core import log
from maelstrom_core.config_click import build_command, run_command
from maelstrom_run.backend import Backend
from maelstrom_run.config import PROGRAM, RunConfig
from maelstrom_run.interactive import Interaction, adapt_image, choose_interaction, run_interactive
from maelstrom_run.options import Bounds, Choices, bound_options, check_choices, many_options, memory_size

if TYPE_CHECKING:
    from maelstrom_run.present import Printer

SUMMARY = """Run jobs, each in its own container.

Jobs are JSON objects, one after the other on standard input; or give a COMMAND, which is run in a sealed
container that shows this machine's programs and the current directory, or with --image those of an image; with
--map once for each line of standard input."""


def run_cli(arguments: Sequence[str], backend: Backend, *, die: Callable[[int], NoReturn] | None = None) -> int:
    """Run the program and return its exit code; `die` is how it ends like a job that was killed by a signal."""

    def run(
        config: RunConfig,
        command: tuple[str, ...],
        *,
        file: str | None,
        image: str | None,
        one: bool,
        tty: bool,
        stdin: bool,
        doctor: bool,
        out: str | None,
        out_from: str | None,
        capture: str | None,
        memory: str | None,
        processes: int | None,
        cpu_weight: int | None,
        **given: Any,
    ) -> int:
        log.listen(config.log_level)
        if doctor:
            if command:
                raise click.UsageError("--doctor runs no command")
            return backend.doctor(config)
        if image is not None:
            from maelstrom_container.images.name import parse_name

            parse_name(image)
        interaction = choose_interaction(command, file, one=one, tty=tty, stdin=stdin)
        one = one or (tty and file is not None)
        bounds = Bounds(memory_size(memory), processes, cpu_weight)
        choices = Choices(command, file, image, one, bounds=bounds, **given)
        many = check_choices(choices)
        if many and interaction is not Interaction.NONE:
            raise click.UsageError("--tty and --stdin are for one job")
        if command and file is not None and not one and not many:
            raise click.UsageError("a command and --file exclude each other, except with --one, --tty and --map")
        if image is not None and (one or (file is not None and not many)):
            raise click.UsageError("--image takes neither --one nor --file: an image is a job's own, there")
        _check_files(out, out_from, capture, stream=many)
        if not many:
            from maelstrom_run.one import die_by_signal

            return _run_one(
                config,
                backend,
                command,
                file,
                image,
                interaction=interaction,
                keep=(out, out_from, capture),
                bounds=bounds,
                from_stream=one,
                die=die or die_by_signal,
            )
        from maelstrom_run.run_many import run_many

        return run_many(config, backend, choices)

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
        click.Option(
            ["-t", "--tty"],
            is_flag=True,
            help="Run COMMAND, or the first job of --file, on a terminal of its own, shown on this one; end as it did.",
        ),
        click.Option(
            ["--stdin"], is_flag=True, help="Give our standard input to COMMAND, or to the job of --one --file."
        ),
        click.Option(
            ["--out"],
            metavar="DIRECTORY",
            help="Bring back what the job made or changed in its working directory to this one, when it has ended.",
        ),
        click.Option(
            ["--out-from"],
            metavar="PATH",
            help="With --out: what it made or changed below this path in its container instead.",
        ),
        click.Option(
            ["--capture"],
            metavar="FILE",
            help="Write an archive of what the job changed in its root, if it succeeds; a `tar` layer of later jobs.",
        ),
        *bound_options(),
        *many_options(),
        click.Option(["--doctor"], is_flag=True, help="Check whether this machine allows containers, and exit."),
    ]
    command = build_command(PROGRAM, RunConfig, run, summary=SUMMARY, parameters=parameters, options_first=True)
    return run_command(command, arguments)


def _check_files(out: str | None, out_from: str | None, capture: str | None, *, stream: bool) -> None:
    if stream and (out or out_from or capture):
        raise click.UsageError('in a stream each job says itself what is kept of it: "out", "capture"')
    if out_from is not None and out is None:
        raise click.UsageError("--out-from takes --out")
    if "" in {out, out_from, capture}:
        raise click.UsageError("--out, --out-from and --capture take a path that is not empty")


def _run_one(
    config: RunConfig,
    backend: Backend,
    command: tuple[str, ...],
    file: str | None,
    image: str | None,
    *,
    interaction: Interaction,
    keep: tuple[str | None, str | None, str | None],
    bounds: Bounds,
    from_stream: bool,
    die: Callable[[int], NoReturn],
) -> int:
    directory = Path.cwd()
    with backend.open_single(config, directory) as single:
        from functools import partial

        from maelstrom_core.spec import JobSpec
        from maelstrom_run.one import OneJob, mimic, read_one, with_bounds, with_command, with_files
        from maelstrom_run.source import open_source, read

        if from_stream:
            with open_source(file) as descriptor:
                job = read_one(partial(read, descriptor))
        else:
            container = backend.default_container(directory) if image is None else backend.image_container(image)
            if image is not None:
                container = adapt_image(container, interaction)
            job = OneJob(JobSpec(container=container, program=command[0] if command else ""))
        job = with_bounds(with_files(with_command(job, command, config.timeout), *keep), bounds)
        if interaction is Interaction.NONE:
            own = not from_stream and not command
            outcome = single.run(job.spec, job.containers, inline_limit=config.inline_limit, image_command=own)
        else:
            outcome = run_interactive(single, job, config, interaction, die)
    _printer().show_one(outcome)
    return mimic(outcome, die)


def _printer() -> Printer:
    from maelstrom_run.present import Printer

    return Printer(sys.stdout.buffer, sys.stderr.buffer, terminal=sys.stdout.isatty())
