"""How outcomes are shown: a job's output as it is, then one line if it did not succeed.

Knows nothing of clients and streams: may import the core only.
"""

from __future__ import annotations

from typing import BinaryIO

from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import (
    Cancelled,
    Effects,
    ExecutionError,
    Exited,
    Files,
    NotForked,
    Outcome,
    Signaled,
    SystemFailure,
    TimedOut,
)

FAILURE = 1
"""The exit code for every failure that has no code of its own."""


class ExitCode:
    """The exit code of a program that runs many jobs: the first one that is not 0 stays."""

    def __init__(self) -> None:
        self.code = 0

    def add(self, code: int) -> None:
        """Take another code into account."""
        if not self.code:
            self.code = code


def exit_code(outcome: Outcome) -> int:
    """Return what an outcome contributes to the exit code of a stream."""
    if not isinstance(outcome, Exited):
        return FAILURE
    files = outcome.effects.files
    return outcome.code or (FAILURE if files is not None and files.error is not None else 0)


def describe_failure(outcome: Outcome) -> str | None:
    """Return what is said of an outcome, None for success."""
    match outcome:
        case Exited(code=0):
            return None
        case Exited(code=code):
            return f"exited with code {code}"
        case Signaled(signal=number):
            return f"killed by signal {number}{_signal_name(number)}"
        case TimedOut(effects=effects):
            return f"timed out after {effects.duration:.1f} s"
        case ExecutionError(message=message, hint=hint):
            return _with_hint(f"execution error: {message}", hint)
        case SystemFailure(message=message, hint=hint):
            return _with_hint(f"system error: {message}", hint)
        case Cancelled():
            return "cancelled"
        case NotForked(reason=reason):
            return f"not forked: {reason}"


def describe_truncation(effects: Effects) -> list[str]:
    """Return what is said of output that exceeded the inline limit."""
    streams = (("standard output", effects.stdout), ("standard error", effects.stderr))
    return [
        f"{name} was cut off after {len(output.data)} bytes, {output.lost} more were lost (see --inline-limit)"
        for name, output in streams
        if output.lost
    ]


def describe_files(files: Files | None) -> list[str]:
    """Return what is said of files that a job left and that were asked for; nothing where all are there."""
    if files is None:
        return []
    return [*files.notes, *([_with_hint(files.error, files.hint)] if files.error is not None else [])]


class Printer:
    """Writes what belongs to one job in one piece, so that jobs never mix.

    On a terminal, where both streams share the screen, a message never continues a line of output.
    """

    def __init__(self, stdout: BinaryIO, stderr: BinaryIO, *, terminal: bool = False) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._terminal = terminal

    def show(self, outcome: Outcome, number: int) -> None:
        """Print all there is to say of job `number`."""
        failure = describe_failure(outcome)
        self._write(outcome, [failure] if failure else [], f"job {number}: ")

    def show_one(self, outcome: Outcome) -> None:
        """Print the output of the only job; what its exit status says is left to the exit status."""
        failure = None if isinstance(outcome, Exited | Signaled) else describe_failure(outcome)
        self._write(outcome, [failure] if failure else [], "maelstrom-run: ")

    def error(self, error: MaelstromError, number: int | None = None) -> None:
        """Print an error: of a job, or of the stream."""
        prefix = "maelstrom-run: " if number is None else f"job {number}: "
        self._stderr.write(_line(prefix, error.render()))
        self._stderr.flush()

    def _write(self, outcome: Outcome, messages: list[str], prefix: str) -> None:
        error_text = b""
        unfinished = False
        if isinstance(outcome, Exited | Signaled | TimedOut):
            effects = outcome.effects
            if data := effects.stdout.data:
                self._stdout.write(data)
                self._stdout.flush()
                unfinished = self._terminal and not data.endswith(b"\n")
            if data := effects.stderr.data:
                error_text = data
                unfinished = not data.endswith(b"\n")
            if effects.stdout.lost or effects.stderr.lost:
                messages = [*describe_truncation(effects), *messages]
            messages = [*messages, *describe_files(effects.files)]
        if messages:
            error_text += (b"\n" if unfinished else b"") + b"".join(_line(prefix, message) for message in messages)
        if error_text:
            self._stderr.write(error_text)
            self._stderr.flush()


def _line(prefix: str, message: str) -> bytes:
    return f"{prefix}{message}\n".encode(errors="backslashreplace")


def _with_hint(message: str, hint: str | None) -> str:
    return f"{message}\n  hint: {hint}" if hint else message


def _signal_name(number: int) -> str:
    import signal

    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""
