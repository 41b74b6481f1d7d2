"""The options that limit jobs, those of runs of many, and which of them go together.

What they are for: docs/decisions/maelstrom-run.md and cgroups.md.

Imports no specifications: `--help` needs none.
"""

from __future__ import annotations

from typing import NamedTuple

import click


class Bounds(NamedTuple):
    """What a job may use; None where nothing is said."""

    memory: int | None = None
    processes: int | None = None
    cpu_weight: int | None = None


class Choices(NamedTuple):
    """What the command line says."""

    command: tuple[str, ...] = ()
    file: str | None = None
    image: str | None = None
    one: bool = False
    map: bool = False
    jobs: str | None = None
    inputs: str | None = None
    range: str | None = None
    null: bool = False
    replace: str | None = None
    keep_order: bool = False
    tag: bool = False
    results: str | None = None
    joblog: str | None = None
    resume: bool = False
    resume_failed: bool = False
    bounds: Bounds = Bounds()


def bound_options() -> list[click.Parameter]:
    """Return the options that limit jobs, named as the fields of `Bounds`."""
    return [
        click.Option(
            ["--memory"], metavar="SIZE", help="Kill the job when it uses more memory than this, such as 200MiB."
        ),
        click.Option(
            ["--processes"], metavar="N", type=int, help="Let the job have at most so many processes at once."
        ),
        click.Option(
            ["--cpu-weight"],
            metavar="N",
            type=int,
            help="Give the job this share of the processors beside the 100 of others, from 1 to 10000.",
        ),
    ]


def memory_size(text: str | None) -> int | None:
    """Return the bytes that --memory asks for. Raises click.UsageError."""
    if text is None:
        return None
    from maelstrom_core.config_kinds import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise click.UsageError(f"--memory: {error}") from None


def many_options() -> list[click.Parameter]:
    """Return the options; what they are given is passed on by the names of `Choices`."""
    return [
        click.Option(
            ["--map"],
            is_flag=True,
            help="Run COMMAND once for each input, a line of standard input. {} stands for the input, {#} for the "
            "job's number; without either the input is the last argument. It is in the variable MAELSTROM_INPUT, too. "
            "With --file everything but the command is that of the first job of the file.",
        ),
        click.Option(["--inputs"], metavar="PATH", help="Read the inputs of --map from this file."),
        click.Option(["--range"], metavar="A..B[..STEP]", help="Have --map run over these numbers, as 1..1000."),
        click.Option(["-0", "--null"], is_flag=True, help="Inputs of --map end with NUL characters, not with lines."),
        click.Option(["-I", "--replace"], metavar="MARK", help="What stands for the input in COMMAND, instead of {}."),
        click.Option(
            ["--jobs"],
            metavar="PATH",
            help="Run the jobs of this file, and write their results to standard output, as --results - does.",
        ),
        click.Option(
            ["--results"],
            metavar="PATH",
            help="Write a JSON object for each job that is over to this file, or to standard output for `-`, "
            "instead of its output.",
        ),
        click.Option(["-k", "--keep-order"], is_flag=True, help="Show jobs in their order, not as they end."),
        click.Option(["--tag"], is_flag=True, help="Begin each line of output with the input, or the job's number."),
        click.Option(["--joblog"], metavar="PATH", help="Write a line to this file for each job that is over."),
        click.Option(["--resume"], is_flag=True, help="Run only jobs that have not ended yet according to --joblog."),
        click.Option(["--resume-failed"], is_flag=True, help="The same, and those that failed run again."),
    ]


def check_choices(choices: Choices) -> bool:
    """Return whether many jobs are to be run. Raises click.UsageError for what does not go together."""
    many = choices.map or choices.jobs is not None or not (choices.one or choices.command or choices.image is not None)
    for_map = choices.inputs is not None, choices.range is not None, choices.null, choices.replace is not None
    for_many = choices.keep_order, choices.tag, choices.results is not None, choices.joblog is not None
    if choices.map and choices.one:
        raise click.UsageError("--map and --one exclude each other")
    if choices.jobs is not None and (choices.map or choices.one or choices.command or choices.file is not None):
        raise click.UsageError("--jobs takes neither a command nor --map, --one or --file")
    if any(for_map) and not choices.map:
        raise click.UsageError("--inputs, --range, -0 and -I go with --map")
    if any(for_many) and not many:
        raise click.UsageError(
            "--keep-order, --tag, --results and --joblog go with many jobs: a stream, --map or --jobs"
        )
    if many and not choices.map and choices.bounds != Bounds():
        raise click.UsageError('in a stream each job says itself what it may use: "limits"')
    if choices.joblog is not None and choices.joblog in {choices.results, "-"}:
        raise click.UsageError("--joblog takes a file of its own")
    if (choices.resume or choices.resume_failed) and choices.joblog is None:
        raise click.UsageError("--resume and --resume-failed go with --joblog")
    if choices.map:
        _check_map(choices)
    return many


def _check_map(choices: Choices) -> None:
    if not choices.command and choices.file is None:
        raise click.UsageError("--map takes a command, or --file with a job")
    if choices.image is not None and choices.file is not None:
        raise click.UsageError("--image and --file exclude each other")
    if choices.inputs is not None and choices.range is not None:
        raise click.UsageError("--inputs and --range exclude each other")
    if choices.range is not None and choices.null:
        raise click.UsageError("-0 is for inputs that are read: --range has none")
    if choices.file == "-" and choices.range is None and choices.inputs in {None, "-"}:
        raise click.UsageError("standard input cannot hold the job and its inputs: name a file for one of them")
    if choices.replace in {"", "{#}"}:
        raise click.UsageError("-I takes a text that can stand for the input, and is not {#}")
