"""`--shell TEST`: an interactive shell in the container of one test, with the command at hand that runs it.

The container is that of the test's own job: the same layers, mounts, environment, directory, user and network. Which
test is meant, and its container, is a runner's to find; here is what all of them share. A shell is on this machine,
whatever cluster there is: a terminal is passed to a job as a descriptor.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import ExecutionError, Exited, Outcome, Signaled, SystemFailure
from maelstrom_core.spec import ContainerSpec, JobSpec, WindowSize
from maelstrom_test_runner.config import RunnerConfig
from maelstrom_test_runner.lines import prefixed_lines
from maelstrom_test_runner.progress import ProgressLine

if TYPE_CHECKING:
    from maelstrom_client.single import SingleJob

C = TypeVar("C", bound=RunnerConfig)
T = TypeVar("T")

BY_SIGNAL = 128
"""What a shell adds to the number of a signal for an exit code."""
SHOWN = 10
"""Tests that are named where several match."""

# The heredoc is a file of its own that nobody sees in the container. What a user's own start-up file would do is done.
_SCRIPT = """\
if command -v bash >/dev/null 2>&1; then
    exec bash --init-file /dev/fd/9 9<<'MAELSTROM-END'
exec 9<&-
[ ! -f ~/.bashrc ] || . ~/.bashrc
history -s -- {command}
MAELSTROM-END
fi
exec sh -i
"""


class Place(msgspec.Struct, frozen=True):
    """Where a test runs."""

    test: str
    container: ContainerSpec
    command: str
    """What runs the test in there, as typed."""


def only_one(found: Sequence[T], test: str, name_of: Callable[[T], str], *, hint: str) -> T:
    """Return the one test that is meant. Raises UserError where there is none, or where there are several.

    Of several the one counts that is called exactly so; `hint` says how to find out what there is.
    """
    exact = [each for each in found if name_of(each) == test]
    if len(exact) == 1:
        found = exact
    if not found:
        raise UserError(f"failed to open a shell: there is no test {test}", hint=hint)
    if len(found) > 1:
        names = "".join(f"\n    {name_of(each)}" for each in found[:SHOWN])
        more = f"\n    and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UserError(
            f"failed to open a shell: {len(found)} tests match {test}{names}{more}",
            hint="a shell is for one test: give its whole name",
        )
    return found[0]


def on_this_machine(config: C) -> C:
    """Return the configuration of a run without a cluster."""
    return config if config.broker is None else type(config)(**{**config.values, "broker": None})


def shell_job(container: ContainerSpec, command: str, size: WindowSize) -> JobSpec:
    """Return the job that is the shell: bash with the command in its history, or else sh."""
    script = _SCRIPT.format(command=shlex.quote(command)) if "\n" not in command else "exec sh -i"
    return JobSpec(container=container, program="/bin/sh", arguments=("-c", script), allocate_tty=size)


def exit_code(outcome: Outcome) -> int:
    """Return the shell's exit code. Raises SpecError and InfrastructureError where there was none."""
    match outcome:
        case Exited(code=code):
            return code
        case Signaled(signal=number):
            return BY_SIGNAL + number
        case ExecutionError(message=message, hint=hint):
            raise SpecError(f"failed to start a shell: {message}", hint=hint)
        case SystemFailure(message=message, hint=hint):
            raise InfrastructureError(f"failed to start a shell: {message}", hint=hint)
        case _:
            raise InfrastructureError("failed to start a shell: the job was cancelled")


def open_shell(config: RunnerConfig, single: SingleJob, place: Place, *, program: str) -> int:
    """Be the shell on our terminal; return its exit code. Raises MaelstromError.

    `config` is as it was given: where it names a broker it is said that a shell is here all the same.
    """
    from maelstrom_client.terminal import TerminalSession, TerminatedError

    remote = "" if config.broker is None else f"{program}: it is on this machine: a cluster carries no terminals\n"
    notice = (
        f"{program}: a shell in the container of {place.test}, whose changes vanish with it\n{remote}"
        f"{program}: this runs the test, and is the last line of the shell's history:\n    {place.command}\n"
    )
    try:
        with TerminalSession(escape=config.escape_char, notice=notice) as session:
            spec = shell_job(place.container, place.command, session.size)
            return exit_code(single.run(spec, {}, attendant=session))
    except TerminatedError as terminated:
        return BY_SIGNAL + terminated.signal


class Waiting:
    """Shows what has to be done first, on standard error: a line that is redrawn, and lines that stay."""

    def __init__(self) -> None:
        width = shutil.get_terminal_size().columns
        self._line = ProgressLine(sys.stderr, active=sys.stderr.isatty(), width=width, clock=time.monotonic)

    def busy(self, text: str) -> None:
        """Say what is being done; "" when it is over."""
        if text:
            self._line.update(lambda: text)
        else:
            self._line.clear()

    def remark(self, text: str) -> None:
        """Say what was done."""
        self._line.print_lines(prefixed_lines(text))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._line.close()
