"""A job's terminal, shown on ours: whoever types reaches the job, what the job prints is seen.

    our terminal  <->  this process  <->  master | slave = 0, 1, 2 of the job

A pair is made here, and the job is offered the slave. In a container with a devpts it makes one there, set up as that,
and sends us both its ends before it begins; the master is in no process but ours then. So when we end, however we end,
the job's terminal hangs up. A job whose output nobody takes stops in its write; what is typed for one that does not
read is kept, up to a limit, since the next key may be for us.

See docs/decisions/terminals.md.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import termios
from contextlib import suppress
from types import TracebackType
from typing import Self

from maelstrom_client.terminal.escapes import Command, Escapes
from maelstrom_client.terminal.loop import SessionLoop
from maelstrom_client.terminal.own import OwnTerminal
from maelstrom_client.terminal.signals import Signals
from maelstrom_core.errors import InfrastructureError
from maelstrom_core.escape_character import DEFAULT, format_escape_character
from maelstrom_worker.passing import answer, offer

CHUNK = 1 << 14
TYPED_AHEAD = 4 << 20
"""Bytes that wait for a job to read them; what is typed then is lost, with a bell."""
LEFT_OVER = 1 << 20
"""The most that is shown after a job's end: more than the kernel keeps. Only somebody else could have written it."""
PATIENCE = 1.5
"""Seconds after which an escape character that nothing follows is the job's."""
GRACE = 1.0
"""Seconds that a job has to end after its terminal has hung up."""
HEARD = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH),
)


class TerminatedError(Exception):
    """A signal told us to end, and everything is in order: end by it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"terminated by signal {number}")
        self.signal = number


class TerminalSession:
    """Shows the terminal of one job; an `Attendant` of `SingleJob.run`, and a context manager.

    Raises KeyboardInterrupt in the loop where the user wants to quit, TerminatedError where a signal or the loss of our
    own terminal ends us.
    """

    def __init__(self, *, escape: int = DEFAULT, notice: str = "") -> None:
        """`notice` is shown when the job starts, before what the escape character does. Raises InfrastructureError."""
        try:
            self._own = OwnTerminal()
        except (OSError, termios.error) as error:
            raise InfrastructureError(f"failed to use the terminal: {error.args[-1]}") from error
        self.size = self._own.size()
        self._escapes = Escapes(escape)
        self._notice = f"{notice}{describe_escapes(escape)}\n"
        self._loop: SessionLoop
        self._signals: Signals | None = None
        self._master = self._slave = -1
        self._desk: socket.socket | None = None
        """Where the job says which terminal it has, as long as it has not."""
        self._typed = bytearray()
        self._unshown = b""
        self._left_over = LEFT_OVER
        self._killed_by = 0
        self._started = self._over = False
        self.busy = False
        """After the job's end: whether there is something to show yet."""
        self.unfinished = False
        """Whether the last thing that was shown is a line without an end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._own.close()

    def begin(self, loop: SessionLoop) -> int:
        """Make the job's terminal; return the descriptor for the job. Raises InfrastructureError."""
        self._loop = loop
        try:
            self._master, self._slave = os.openpty()
            termios.tcsetattr(self._slave, termios.TCSANOW, self._own.settings)
            termios.tcsetwinsize(self._master, (self.size.rows, self.size.columns))
            os.set_blocking(self._master, False)
            self._desk, offered = offer([self._slave])
        except (OSError, termios.error) as error:
            raise InfrastructureError(
                f"failed to make a terminal for the job: {error.args[-1]}",
                hint="/dev/pts must be mounted, and /proc/sys/kernel/pty/max not be reached",
            ) from error
        self._signals = Signals(loop, HEARD, self._on_signal)
        loop.add_reader(self._master, self._on_output)
        loop.add_reader(self._desk.fileno(), self._on_answer)
        return offered.detach()

    def started(self) -> None:
        """Hand our terminal over: the job begins."""
        self._started = True
        sys.stdout.write(self._notice)
        sys.stdout.flush()
        self._own.enter_raw()
        self._loop.add_reader(self._own.input, self._on_input)

    def ended(self) -> None:
        """Show what the job has printed last; done when no longer `busy`. Raises TerminatedError."""
        if self._killed_by:
            raise TerminatedError(self._killed_by)
        self._on_answer()
        self._over = self.busy = True
        self._pull()

    def close(self) -> None:
        """Put our terminal back, and let go of the job's."""
        self._own.leave_raw()
        self._hang_up()
        if self._signals is not None:
            self._loop.cancel_call(self._flush)
            self._loop.cancel_call(self._give_up)
            self._signals.close()
            self._signals = None

    def _on_signal(self, number: int) -> None:
        match number:
            case signal.SIGINT:
                raise KeyboardInterrupt
            case signal.SIGTSTP:
                self._suspend()
            case signal.SIGCONT | signal.SIGWINCH:
                self._resume()
            case _:
                self._end_by(number)

    def _suspend(self) -> None:
        self._own.leave_raw()
        if self._signals is not None:
            self._signals.stop_here()
        self._resume()

    def _resume(self) -> None:
        """Be what a terminal should be to the job, after who knows what."""
        if self._master < 0 or not self._started:
            return
        try:
            self._own.enter_raw()
            self.size = self._own.size()
            termios.tcsetwinsize(self._master, (self.size.rows, self.size.columns))
        except (OSError, termios.error):
            self._end_by(signal.SIGHUP)

    def _end_by(self, number: int) -> None:
        """Hang up; the job has a moment to end, unless we are told again.

        A terminal that goes is told by its end and by SIGHUP, in any order: that is once.
        """
        if self._killed_by:
            if number == signal.SIGHUP:
                return
            raise TerminatedError(number)
        self._killed_by = number
        self._own.leave_raw()
        self._hang_up()
        self._loop.call_later(GRACE, self._give_up)

    def _give_up(self) -> None:
        raise TerminatedError(self._killed_by)

    def _on_answer(self) -> None:
        """Have the terminal that the job has made for itself, if it has, take the place of the one it was offered."""
        ends = None if self._desk is None else answer(self._desk)
        if ends is None:
            return
        self._leave_desk()
        if ends:
            self._loop.remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master, self._slave = ends
            os.set_blocking(self._master, False)
            self._loop.add_reader(self._master, self._on_output)
            with suppress(OSError, termios.error):  # of a job that has gone
                termios.tcsetwinsize(self._master, (self.size.rows, self.size.columns))
        self._send()

    def _leave_desk(self) -> None:
        if self._desk is not None:
            self._loop.remove_reader(self._desk.fileno())
            self._desk.close()
            self._desk = None

    def _hang_up(self) -> None:
        self._leave_desk()
        if self._master < 0:
            return
        self._loop.remove_reader(self._own.input)
        self._loop.remove_writer(self._own.output)
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)  # the job's session gets SIGHUP
        os.close(self._slave)
        self._master = self._slave = -1
        self.busy = False

    def _on_input(self) -> None:
        try:
            data = os.read(self._own.input, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # our terminal is gone
            self._end_by(signal.SIGHUP)
            return
        for typed in self._escapes.feed(data):
            if typed is Command.QUIT:
                raise KeyboardInterrupt
            if typed is Command.SUSPEND:
                self._suspend()
            elif isinstance(typed, bytes):
                self._type_ahead(typed)
        if self._escapes.pending:
            self._loop.call_later(PATIENCE, self._flush)
        else:
            self._loop.cancel_call(self._flush)
        self._send()

    def _type_ahead(self, typed: bytes) -> None:
        room = TYPED_AHEAD - len(self._typed)
        self._typed += typed[:room]
        if len(typed) > room:
            with suppress(OSError):
                self._own.write(b"\a")

    def _flush(self) -> None:
        self._type_ahead(self._escapes.flush())
        self._send()

    def _send(self) -> None:
        """Give the job what was typed, as far as it takes it; nothing before it is known which terminal it has."""
        if self._master < 0 or self._desk is not None:
            return
        try:
            while self._typed:
                del self._typed[: os.write(self._master, self._typed)]
        except BlockingIOError:
            self._loop.add_writer(self._master, self._send)
        else:
            self._loop.remove_writer(self._master)

    def _on_output(self) -> None:
        try:
            data = os.read(self._master, CHUNK)
        except OSError as error:  # nothing more for now, or, should the kernel think so, for ever
            self.busy = False
            if not isinstance(error, BlockingIOError):
                self._loop.remove_reader(self._master)
            return
        self._show(data)

    def _show(self, data: bytes) -> None:
        """Show what our terminal takes now; no more is read before it has taken the rest."""
        try:
            shown = self._own.write(data)
        except OSError:
            self._end_by(signal.SIGHUP)
            return
        if shown:
            self.unfinished = data[shown - 1 : shown] != b"\n"
        if self._over:
            self._left_over -= shown
        rest = data[shown:]
        if rest and not self._unshown:
            self._loop.remove_reader(self._master)
            self._loop.add_writer(self._own.output, self._on_room)
        if self._unshown and not rest:
            self._loop.remove_writer(self._own.output)
            self._loop.add_reader(self._master, self._on_output)
        self._unshown = rest

    def _on_room(self) -> None:
        self._show(self._unshown)
        if self._over:
            self._pull()

    def _pull(self) -> None:
        """Show what is there of a job that has ended, until there is nothing, or our terminal takes no more."""
        while self.busy and not self._unshown:
            if self._left_over <= 0:
                self.busy = False
                return
            self._on_output()


def describe_escapes(escape: int) -> str:
    """Return a line that says what the escape character is for."""
    name = format_escape_character(escape)
    return f"({name} ^C quits, {name} ^Z suspends, {name} {name} types {name})"
