"""One job with a terminal (`--tty`) or with our standard input (`--stdin`): what the options mean, and the run.

What does it is `maelstrom_client.terminal` and `maelstrom_client.feed`, imported when it is wanted.
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from maelstrom_core.job import Outcome
    from maelstrom_core.spec import ContainerSpec, JobSpec
    from maelstrom_run.backend import Single
    from maelstrom_run.config import RunConfig
    from maelstrom_run.one import OneJob

STDIN_NAMES = (None, "-")


class Interaction(enum.Enum):
    """What a job gets of us while it runs."""

    NONE = "nothing"
    TERMINAL = "a terminal"
    INPUT = "standard input"


def choose_interaction(command: tuple[str, ...], file: str | None, *, one: bool, tty: bool, stdin: bool) -> Interaction:
    """Return what the options ask for. Raises click.UsageError where they exclude each other, UserError."""
    if tty:
        if one or stdin:
            raise click.UsageError(
                f"--tty and {'--one' if one else '--stdin'} exclude each other: "
                "--tty is for one job, which has the terminal as its standard input"
            )
        if file == "-" or not (command or file):
            raise click.UsageError("--tty takes a command, or a job by --file PATH: standard input is the terminal")
        from maelstrom_client.terminal import check_terminals

        check_terminals()
        return Interaction.TERMINAL
    if stdin:
        if file in STDIN_NAMES if one else not command:
            raise click.UsageError(
                "--stdin takes a command, or --one with --file PATH: jobs come by standard input else"
            )
        from maelstrom_client.feed import check_input

        check_input()
        return Interaction.INPUT
    return Interaction.NONE


def adapt_image(container: ContainerSpec, interaction: Interaction) -> ContainerSpec:
    """Return the container of an image for such a job: an image knows nothing of the terminal, a program has to."""
    if interaction is not Interaction.TERMINAL or "TERM" not in os.environ:
        return container
    import msgspec

    from maelstrom_core.spec import EnvironmentElement

    added = container.added_environment if isinstance(container.added_environment, tuple) else ()
    term = EnvironmentElement({"TERM": os.environ["TERM"].replace("$", "$$")})
    return msgspec.structs.replace(container, added_environment=(*added, term))


def run_interactive(
    single: Single, job: OneJob, config: RunConfig, interaction: Interaction, die: Callable[[int], NoReturn]
) -> Outcome:
    """Run the job to its end; ends by `die` where a signal ended us. Raises UserError."""
    if job.spec.stdin:
        from maelstrom_core.errors import SpecError

        raise SpecError(
            f"the job cannot have {interaction.value} of ours: its specification has a `stdin`",
            hint="take that out, or call maelstrom-run without --tty and --stdin",
        )
    if interaction is Interaction.TERMINAL:
        return _run_on_terminal(single, job, config, die)
    from maelstrom_client.feed import LiveStreams
    from maelstrom_core.job import Exited, Signaled

    streams = LiveStreams(sys.stdout.buffer, sys.stderr.buffer)
    outcome = single.run(job.spec, job.containers, inline_limit=config.inline_limit, attendant=streams)
    if streams.unfinished and not isinstance(outcome, Exited | Signaled):
        sys.stderr.write("\n")
        sys.stderr.flush()
    return outcome


def _run_on_terminal(single: Single, job: OneJob, config: RunConfig, die: Callable[[int], NoReturn]) -> Outcome:
    import msgspec

    from maelstrom_client.terminal import TerminalSession, TerminatedError
    from maelstrom_core.job import Exited, Signaled

    try:
        with TerminalSession(escape=config.escape_char, notice="maelstrom-run: the job has this terminal ") as session:
            spec: JobSpec = msgspec.structs.replace(job.spec, allocate_tty=session.size)
            outcome = single.run(spec, job.containers, inline_limit=config.inline_limit, attendant=session)
    except TerminatedError as terminated:
        die(terminated.signal)
    if session.unfinished and not isinstance(outcome, Exited | Signaled):
        sys.stderr.write("\n")  # there will be a message, on a line of its own
        sys.stderr.flush()
    return outcome
