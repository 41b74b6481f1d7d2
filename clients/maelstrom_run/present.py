"""How outcomes are shown: a job's output as it is, then one line if it did not succeed.

Knows nothing of clients and streams: may import the core only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

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
from maelstrom_core.limit_words import describe_limits, limited, out_of_memory, why_lost

if TYPE_CHECKING:
    from maelstrom_run.task import Finished

LONGEST_LABEL = 60
"""Characters of an input that name its job."""
DOCTOR = "`maelstrom-run --doctor` says what to do about cgroups"
FAILURE = 1
"""The exit code for every failure that has no code of its own."""
INFRASTRUCTURE = 3
"""That of jobs that could not be run, by no fault of their own."""


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
    if isinstance(outcome, SystemFailure):
        return INFRASTRUCTURE
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
            if reason := out_of_memory(outcome):
                return f"killed: {reason}"
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
    """Return what is said of output that was not kept."""
    streams = (("standard output", effects.stdout), ("standard error", effects.stderr))
    return [
        f"{name} was cut off after {len(output.data)} bytes, {output.lost} more were lost {why_lost(effects)}"
        for name, output in streams
        if output.lost
    ]


def describe_files(files: Files | None) -> list[str]:
    """Return what is said of files that a job left and that were asked for; nothing where all are there."""
    if files is None:
        return []
    return [*files.notes, *([_with_hint(files.error, files.hint)] if files.error is not None else [])]


def visible(text: str, longest: int | None = None) -> str:
    """Return a text fit for a line: control characters become visible, what is too long is cut off."""
    from maelstrom_test_runner.lines import printable

    if longest is None:
        return printable(text)
    text = printable(text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def job_label(number: int, text: str | None, attempts: int = 1) -> str:
    """Return what a job is called in messages: by its number, and the input it was made of, if there is one."""
    name = f"job {number}" if text is None else f"job {number} ({visible(text, LONGEST_LABEL)})"
    return f"{name}, attempt {attempts}" if attempts > 1 else name


def tagged(data: bytes, tag: bytes) -> bytes:
    """Return the lines of an output, each behind a tag and closed."""
    if not data:
        return data
    return b"".join(tag + line + b"\n" for line in data.removesuffix(b"\n").split(b"\n"))


class Shown(Protocol):
    """Where results go."""

    def show(self, finished: Finished) -> None:
        """Show a job that is over."""

    def error(self, error: MaelstromError) -> None:
        """Show an error that is no job's."""

    def note(self, text: str, *, interrupted: bool = False) -> None:
        """Say something about the run; `interrupted` is whether ^C has ended it."""


class Printer:
    """Writes what belongs to one job in one piece, so that jobs never mix.

    On a terminal, where both streams share the screen, a message never continues a line of output. With `tag` each
    line of output begins with the job's input, or its number. `before` is called before anything is written.
    """

    def __init__(
        self,
        stdout: BinaryIO,
        stderr: BinaryIO,
        *,
        terminal: bool = False,
        tag: bool = False,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._terminal = terminal
        self._tag = tag
        self._before = before
        self._lacking: set[str] = set()

    def show(self, finished: Finished) -> None:
        """Print all there is to say of a job."""
        task = finished.task
        failure = describe_failure(finished.outcome)
        tag = b""
        if self._tag:
            text = str(task.number) if task.input is None else visible(task.input)
            tag = text.encode() + b"\t"
        label = job_label(task.number, task.input, finished.attempts)
        self._write(finished.outcome, [failure] if failure else [], f"{label}: ", tag)

    def show_failure(self, finished: Finished) -> None:
        """Print no more of a job than why it failed, if it did, and which of its files could not be kept."""
        self._note_limits(finished.outcome)
        failure = describe_failure(finished.outcome)
        messages = [*([failure] if failure else []), *describe_files(finished.effects.files)]
        if messages:
            label = job_label(finished.task.number, finished.task.input, finished.attempts)
            self._say(b"".join(_line(f"{label}: ", message) for message in messages))

    def note(self, text: str, *, interrupted: bool = False) -> None:
        """Print something about the run; if that was `interrupted`, a terminal has just shown ^C."""
        newline = b"\n" if interrupted and self._stderr.isatty() else b""
        self._say(newline + _line("maelstrom-run: ", text))

    def show_one(self, outcome: Outcome) -> None:
        """Print the output of the only job; what its exit status says is left to the exit status."""
        plain = isinstance(outcome, Exited | Signaled) and not out_of_memory(outcome)
        failure = None if plain else describe_failure(outcome)
        self._write(outcome, [failure] if failure else [], "maelstrom-run: ")

    def error(self, error: MaelstromError) -> None:
        """Print an error that is no job's."""
        self._say(_line("maelstrom-run: ", error.render()))

    def _note_limits(self, outcome: Outcome) -> None:
        """Say once for each reason that limits hold less than they say."""
        told = limited(outcome)
        if told is not None and told.lacking is not None and told.lacking not in self._lacking:
            self._lacking.add(told.lacking)
            self._say(_line("maelstrom-run: ", _with_hint(told.lacking, DOCTOR)))

    def _say(self, text: bytes) -> None:
        self._before()
        self._stderr.write(text)
        self._stderr.flush()

    def _write(self, outcome: Outcome, messages: list[str], prefix: str, tag: bytes = b"") -> None:
        self._note_limits(outcome)
        error_text = b""
        unfinished = False
        if isinstance(outcome, Exited | Signaled | TimedOut):
            effects = outcome.effects
            if data := tagged(effects.stdout.data, tag) if tag else effects.stdout.data:
                self._before()
                self._stdout.write(data)
                self._stdout.flush()
                unfinished = self._terminal and not data.endswith(b"\n")
            if data := tagged(effects.stderr.data, tag) if tag else effects.stderr.data:
                error_text = data
                unfinished = not data.endswith(b"\n")
            if effects.stdout.lost or effects.stderr.lost:
                messages = [*describe_truncation(effects), *messages]
            messages = [*describe_limits(effects), *messages, *describe_files(effects.files)]
        if messages:
            error_text += (b"\n" if unfinished else b"") + b"".join(_line(prefix, message) for message in messages)
        if error_text:
            self._say(error_text)


class Recorder:
    """Writes results as JSON lines, and on standard error no more than why jobs failed."""

    def __init__(self, printer: Printer, write: Callable[[bytes], object]) -> None:
        self._printer = printer
        self._write = write
        self.error = printer.error
        self.note = printer.note

    def show(self, finished: Finished) -> None:
        """Write a job that is over."""
        from maelstrom_run.results import result_line

        self._write(result_line(finished))
        self._printer.show_failure(finished)


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
