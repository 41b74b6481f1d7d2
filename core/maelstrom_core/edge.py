"""The outermost function of every program: exceptions become messages and exit codes here and nowhere else.

    def program() -> NoReturn:
        be_program("maelstrom-run", main)

May import `errors` and `left_out` only; what is rarely needed is imported when it is.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TextIO

from maelstrom_core.errors import InfrastructureError, MaelstromError, UserError
from maelstrom_core.left_out import left_out

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell shows for a program that SIGPIPE killed."""
EXIT_BUG = 70


def run_program(program: str, main: Callable[[], int]) -> int:
    """Call `main` and return the exit code of the program: that of `main`, or that of its exception.

    An error of the tree in `errors` is shown as message and hint; the argument of a KeyboardInterrupt, if it has one,
    after "interrupted". That nobody reads the output any longer ends the
    program quietly. Anything else is a bug, shown with its traceback. All three standard streams are there meanwhile.
    """
    open_streams()
    try:
        code = main()
        sys.stdout.flush()
    except MaelstromError as error:
        return _end(f"{program}: {error.render()}", error.exit_code)
    except KeyboardInterrupt as interrupt:
        newline = "\n" if sys.stderr.isatty() else ""  # the terminal has just shown ^C
        return _end(f"{newline}{program}: interrupted{_and(interrupt)}", EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the edge
        inner = _only(error)
        if isinstance(inner, MaelstromError):
            return _end(f"{program}: {inner.render()}", inner.exit_code)
        if isinstance(error, BrokenPipeError) and _output_is_broken():
            return _end("", EXIT_BROKEN_PIPE)
        if isinstance(error, FileNotFoundError) and (gone := _directory_gone()) is not None:
            return _end(f"{program}: {gone.render()}", gone.exit_code)
        import traceback

        return _end(f"{traceback.format_exc()}\n{program}: this is a bug in maelstrom; please report it", EXIT_BUG)
    return code


def open_streams() -> None:
    """Have all three standard streams: one that the caller has closed (`<&-`, `>&-`) is /dev/null.

    Else what is opened next would get its number, and be taken for it: by us, and by what we start.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY if number else os.O_RDONLY)  # the lowest number that is free
            os.set_inheritable(null, True)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 - for good


def name_streams() -> None:
    """Have the standard streams say which they are when they cannot be written to, as on a full disk: it is no bug."""
    sys.stdout, sys.stderr = _named(sys.stdout, "standard output"), _named(sys.stderr, "standard error")


def leave(code: int) -> NoReturn:
    """End this process with what `run_program` returned, at once.

    Python would first take itself down, module by module, which takes longer than many a job. Nothing waits for that:
    what outlives a process was given back at the end of its `with` block, and both streams are flushed.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, MaelstromError):
            code = code or EXIT_BROKEN_PIPE
    os._exit(code)


def be_program(program: str, main: Callable[[], int]) -> NoReturn:
    """Be a program: run it, and end the process."""
    open_streams()
    name_streams()
    # What is imported stays, and looking for cycles in it takes a fifteenth of the time it takes to import.
    gc.disable()
    with left_out("typing_extensions"):  # which has nothing that msgspec needs in Python 3.11 and later
        import msgspec  # noqa: F401 - for all that comes
    leave(run_program(program, main))


class _Output(io.FileIO):
    """A standard stream of which it is said what could not be written, and not only that something could not."""

    what = ""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write. Raises InfrastructureError where that fails, and not because nobody reads, or nobody yet."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in {errno.EPIPE, errno.EAGAIN}:
                raise
            raise InfrastructureError(f"failed to write to {self.what}: {error.strerror}") from error


def _named(stream: TextIO, what: str) -> TextIO:
    """Return the stream as one that says which it is when it cannot be written to; others than files as they are."""
    buffer = getattr(stream, "buffer", None)
    if not isinstance(stream, io.TextIOWrapper) or type(getattr(buffer, "raw", None)) is not io.FileIO:
        return stream
    stream.flush()
    raw = _Output(stream.fileno(), "w", closefd=False)
    raw.what = what
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _and(interrupt: KeyboardInterrupt) -> str:
    """Return what the interruption has cost, where who was interrupted says so."""
    return f"; {interrupt.args[0]}" if interrupt.args else ""


def _only(error: BaseException) -> BaseException:
    """Return what a group of one exception (of an asyncio.TaskGroup) holds."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _end(text: str, code: int) -> int:
    """Show `text` and make sure that the interpreter's own last flush does not fail."""
    try:
        sys.stdout.flush()
    except (OSError, MaelstromError):
        _discard(sys.stdout.fileno())
    try:
        if text:
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is where errors are printed
    except (OSError, MaelstromError):
        _discard(sys.stderr.fileno())
    return code


def _discard(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, descriptor)
    os.close(null)


def _directory_gone() -> UserError | None:
    """Return what to say where the directory that we were called in has been removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return UserError("the current directory is not there any more", hint="change to one that is: cd DIRECTORY")
    return None


def _output_is_broken() -> bool:
    """Return whether standard output or standard error has no reader; other pipes that break are bugs."""
    import select

    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        try:
            poll.register(stream.fileno(), 0)
        except OSError:  # replaced by something that is no file
            continue
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
