"""The way to a broker as clients and workers have it: connects, beats, notices when it is lost, and connects again.

    link = Link(loop, endpoint, hello, owner)
    link.start()                # or link.connect(), which waits and raises
    link.send(message, body)    # goes out in the next turn of the loop
    link.close()

`wire` knows what the bytes mean; here are the socket and the times. Whoever loses the broker is somebody new when it
connects again: what is to be said then its owner says when told `greeted`. Waits between attempts grow, and differ by
chance, so that a thousand workers do not come back in the same moment. Works in any `Loop`.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from collections import deque
from functools import partial
from typing import Protocol

from maelstrom_core import log
from maelstrom_core.dial import Dialler, Endpoint, Loop, UnreachableError, dial
from maelstrom_core.errors import UserError
from maelstrom_core.messages import AnyMessage, Heartbeat, Hello
from maelstrom_core.wire import Closed, Connection, Event, Greeted, Received

BEAT = 10.0
"""Seconds between heartbeats."""
SILENCE = 30.0
"""Seconds after which a broker that says nothing is taken for dead."""
FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0
"""Seconds before connecting again: the first time, and at most."""
STEADY = 5.0
"""Seconds that a connection must have lasted for the waits to begin anew."""
_READ = 1 << 18
_PIECES = 512
"""Buffers that are given to the kernel at a time."""
_PASSING = ("too many ",)
"""How reasons begin for which a broker refuses somebody only for now."""


class RefusedError(UserError):
    """The broker does not want us: trying again will not help."""


class Owner(Protocol):
    """Whoever has a link; none of these may be called before `start` or after `close`."""

    def greeted(self, hello: Hello) -> None:
        """Take note that the broker is there, and knows nothing of us."""

    def received(self, message: AnyMessage, body: bytes) -> None:
        """Take what it has said."""

    def drained(self) -> None:
        """Take note that what was to be said is on its way."""

    def lost(self, reason: str) -> None:
        """Take note that it is gone; it is being connected to again."""

    def refused(self, error: RefusedError) -> None:
        """Take note that it does not want us; nothing more will happen."""


class Link:
    """One side's connection to its broker."""

    def __init__(self, loop: Loop, endpoint: Endpoint, hello: Hello, owner: Owner) -> None:
        self._loop = loop
        self.endpoint = endpoint
        self._hello = hello
        self._owner = owner
        self._socket: socket.socket | None = None
        self._connection = Connection(hello.role)
        self._outgoing: deque[memoryview] = deque()
        self._writing = False
        self._poll: select.epoll | None = None
        """Waits for the socket, and is what the loop waits for: uvloop tells nobody of a socket that has an error."""
        self._dialler = Dialler(loop, endpoint, self._dialled)
        self._wait = FIRST_WAIT
        self._heard = self._since = 0.0
        self._turn = 0
        """Of the timer: calls of earlier ones mean nothing."""
        self._closed = False
        self.up = False
        """Whether the broker has let us in, and is there."""
        self.unreachable = ""
        """Why there was no connection when it was tried last."""

    def start(self) -> None:
        """Connect, in the background."""
        self._dialler.begin()

    def connect(self, patience: float) -> None:
        """Connect, and wait for the broker's greeting; tries again for so many seconds.

        Raises UnreachableError, RefusedError.
        """
        end = time.monotonic() + patience
        while True:
            try:
                self._connect(max(0.1, end - time.monotonic()))
            except UnreachableError:
                if time.monotonic() + FIRST_WAIT > end:
                    raise
                time.sleep(FIRST_WAIT)
            else:
                return

    def _connect(self, patience: float) -> None:
        connection = dial(self.endpoint, patience)
        self._begin()
        connection.settimeout(patience)
        events: list[Event] = []
        try:
            while not events:
                self._send_blocking(connection)
                data = connection.recv(_READ)
                if data:
                    self._connection.receive_data(data)
                else:
                    self._connection.receive_eof()
                events = self._connection.events()
        except OSError as error:
            events = [Closed(str(error.strerror or error))]
        if isinstance(events[0], Closed):
            connection.close()
            raise self._refusal(events[0].reason)
        self._attach(connection)
        self._handle(events)

    def send(self, message: AnyMessage, body: bytes = b"") -> None:
        """Say something, unless the broker is not there. Raises ValueError for what is too large to be sent."""
        if self._socket is None:
            return
        self._connection.send(message, body)
        if self._connection.closed:  # it reads too slowly
            self._handle(self._connection.events())
        elif not self._writing:
            self._watch(self._socket, writing=True)

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return self._connection.queued + sum(map(len, self._outgoing))

    def close(self, reason: str = "it has ended", *, linger: float = 0.0) -> None:
        """Say goodbye, and be done: at once, or as soon as what was said has arrived, at most so many seconds later."""
        self._closed = True
        self._turn += 1
        self._dialler.give_up()
        if self._socket is not None:
            self._connection.close(reason)
            self._connection.events()
            self._fill()
            with contextlib.suppress(OSError):
                if linger:
                    self._socket.settimeout(linger)
                self._write(self._socket)
                if linger:
                    _await_end(self._socket, linger)
            self._detach()

    # the socket

    def _dialled(self, result: socket.socket | UnreachableError) -> None:
        if isinstance(result, UnreachableError):
            if result.message != self.unreachable:
                log.info("no broker", reason=result.message)
            self.unreachable = result.message
            self._again()
            return
        self.unreachable = ""
        self._begin()
        self._attach(result)

    def _begin(self) -> None:
        """Begin a conversation."""
        self._connection = Connection(self._hello.role)
        self._connection.greet(self._hello)
        self._outgoing.clear()

    def _attach(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._heard = self._since = time.monotonic()
        self._poll = select.epoll()
        self._poll.register(connection, select.EPOLLIN | select.EPOLLOUT)
        self._writing = True
        self._loop.add_reader(self._poll.fileno(), self._ready)
        self._arm(BEAT, self._tick)

    def _detach(self) -> None:
        connection, self._socket = self._socket, None
        self.up = False
        if connection is not None and self._poll is not None:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            connection.close()
        self._outgoing.clear()

    def _watch(self, connection: socket.socket, *, writing: bool) -> None:
        self._writing = writing
        if self._poll is not None:
            self._poll.modify(connection, select.EPOLLIN | (select.EPOLLOUT if writing else 0))

    def _ready(self) -> None:
        connection, poll = self._socket, self._poll
        for _, happened in poll.poll(0) if connection is not None and poll is not None else ():
            if happened & ~select.EPOLLOUT:
                self._readable()
            if happened & ~select.EPOLLIN and self._socket is connection and self._writing:
                self._writable()

    def _readable(self) -> None:
        connection = self._socket
        if connection is None:
            return
        try:
            while True:
                data = connection.recv(_READ)
                if not data:
                    self._connection.receive_eof()
                    break
                self._heard = time.monotonic()
                self._connection.receive_data(data)
                if len(data) < _READ and not _more(connection):
                    break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            if not _only_later(error):
                self._handle([*self._connection.events(), Closed(error.strerror or str(error))])
                return
        self._handle(self._connection.events())

    def _writable(self) -> None:
        connection = self._socket
        if connection is None:
            return
        try:
            self._fill()
            self._write(connection)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if not _only_later(error):
                self._handle([*self._connection.events(), Closed(error.strerror or str(error))])
            return
        if not self._outgoing and self._writing:
            self._watch(connection, writing=False)
            if self.up:
                self._owner.drained()

    def _fill(self) -> None:
        """Take what is to be sent, when what was taken before is gone."""
        if not self._outgoing:
            self._outgoing.extend(memoryview(piece) for piece in self._connection.data_to_send())

    def _write(self, connection: socket.socket) -> None:
        """Send what can be sent. Raises OSError."""
        outgoing = self._outgoing
        while outgoing:
            if self.endpoint.tls is not None:
                sent = connection.send(outgoing[0])
            else:
                sent = connection.sendmsg([outgoing[index] for index in range(min(len(outgoing), _PIECES))])
            while outgoing and sent >= len(outgoing[0]):
                sent -= len(outgoing.popleft())
            if sent:
                outgoing[0] = outgoing[0][sent:]
            self._fill()

    def _send_blocking(self, connection: socket.socket) -> None:
        for piece in self._connection.data_to_send():
            connection.sendall(piece)

    # what happens

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if self._closed:
                return
            match event:
                case Received(message, body):
                    if not isinstance(message, Heartbeat):
                        self._owner.received(message, body)
                case Greeted(hello):
                    self.up = True
                    log.info("connected", broker=str(self.endpoint))
                    self._owner.greeted(hello)
                case Closed(reason):
                    self._lose(reason)
                    return

    def _lose(self, reason: str) -> None:
        was_up = self.up
        self._fill()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # our own goodbye, if there is one
                self._write(self._socket)
        self._detach()
        log.info("broker lost", reason=reason)
        if not was_up:
            error = self._refusal(reason)
            if isinstance(error, RefusedError):
                self._closed = True
                self._owner.refused(error)
                return
        if time.monotonic() - self._since > STEADY:
            self._wait = FIRST_WAIT
        self._again()
        if was_up:
            self._owner.lost(reason)

    def _refusal(self, reason: str) -> RefusedError | UnreachableError:
        """Return what it means that there was no greeting."""
        message = f"the broker at {self.endpoint} refuses us: {reason}"
        if self._connection.closed and not reason.startswith(_PASSING) and reason not in _NO_ANSWER:
            hint = "use the token that the broker has for this role" if "token" in reason else None
            return RefusedError(message, hint=hint)
        return UnreachableError(f"the broker at {self.endpoint} did not answer: {reason}")

    def _again(self) -> None:
        """Connect again, after a while."""
        wait = self._wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._wait = min(self._wait * 2, LONGEST_WAIT)
        self._arm(wait, self._dialler.begin)

    def _arm(self, seconds: float, then: object) -> None:
        self._turn += 1
        self._loop.call_later(seconds, partial(self._fire, self._turn, then))

    def _fire(self, turn: int, then: object) -> None:
        if turn == self._turn and not self._closed:
            then()  # type: ignore[operator]

    def _tick(self) -> None:
        self._readable()  # we may have been stopped for a while, and it may have spoken
        if self._socket is None or self._closed:
            return
        if time.monotonic() - self._heard > SILENCE:
            self._handle([Closed(f"silent for {SILENCE:.0f} seconds")])
            return
        if self.up:
            self.send(Heartbeat())
        self._arm(BEAT, self._tick)


_NO_ANSWER = ("the other side closed the connection", "")


def _await_end(connection: socket.socket, seconds: float) -> None:
    """Wait until the other side has closed: who closes first, with something unread, may take back what was sent."""
    end = time.monotonic() + seconds
    connection.shutdown(socket.SHUT_WR)
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(_READ):
            return


def _more(connection: socket.socket) -> bool:
    """Tell whether TLS has decrypted more than was read: no poll would tell."""
    pending = getattr(connection, "pending", None)
    return pending is not None and pending() > 0


def _only_later(error: OSError) -> bool:
    """Tell whether TLS only wants to be asked again."""
    return type(error).__name__ in {"SSLWantReadError", "SSLWantWriteError"}
