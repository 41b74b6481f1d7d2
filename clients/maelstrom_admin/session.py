"""A conversation with a broker: questions, each with its answer. Blocks."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any, Self, TypeVar

from maelstrom_core import messages as m
from maelstrom_core.dial import Endpoint, dial
from maelstrom_core.errors import InfrastructureError, UserError
from maelstrom_core.wire import Closed, Connection, Greeted, Received

ANSWER = 30.0
"""Seconds that the broker may take to answer."""

Answer = TypeVar("Answer", m.Status, m.Jobs, m.Done)


class Session:
    """A connection, from `with` to its end.

    Raises UserError where the broker does not want us, InfrastructureError for whatever else is wrong.
    """

    def __init__(self, endpoint: Endpoint, role: m.Role) -> None:
        self.endpoint = endpoint
        self._connection = Connection(role)
        self._events: list[Greeted | Received | Closed] = []
        self._socket = dial(endpoint)
        try:
            self._socket.settimeout(ANSWER)
            self._connection.greet(m.Hello(m.PROTOCOL, role, endpoint.token))
            self._be_greeted()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close("it has ended")
        with contextlib.suppress(OSError, InfrastructureError):
            self._send()
        self._socket.close()

    def _be_greeted(self) -> None:
        event = self._next()
        if isinstance(event, Closed):
            raise UserError(
                f"the broker at {self.endpoint} refused us: {event.reason}",
                hint="the token of this role is in the broker's own credentials file: --credentials",
            )

    def status(self) -> m.Status:
        """Return what the broker has in hand."""
        return self._ask(m.GetStatus(), m.Status)

    def jobs(self, limit: int, state: Any = None) -> m.Jobs:
        """Return some of its unfinished jobs."""
        return self._ask(m.GetJobs(limit, state), m.Jobs)

    def do(self, message: m.Drain | m.CancelJob | m.StopBroker) -> int:
        """Have something done; return how many workers or jobs it concerned."""
        return self._ask(message, m.Done).count

    def wait_for_end(self) -> None:
        """Wait until the broker has closed the connection."""
        while not isinstance(self._next(), Closed):
            pass

    def _ask(self, message: m.Message, kind: type[Answer]) -> Answer:
        self._connection.send(message)
        while True:
            match self._next():
                case Received(answer) if isinstance(answer, kind):
                    return answer
                case Closed(reason):
                    raise InfrastructureError(f"the broker at {self.endpoint} has gone: {reason}")

    def _next(self) -> Greeted | Received | Closed:
        """Return the next event, all others being left for later."""
        self._send()
        while True:
            self._events += self._connection.events()
            if self._events:
                return self._events.pop(0)
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                raise InfrastructureError(
                    f"failed to hear from the broker at {self.endpoint}: {error.strerror or error}"
                ) from None
            if data:
                self._connection.receive_data(data)
            else:
                self._connection.receive_eof()

    def _send(self) -> None:
        try:
            self._socket.sendall(b"".join(self._connection.data_to_send()))
        except OSError as error:
            raise InfrastructureError(
                f"failed to speak to the broker at {self.endpoint}: {error.strerror or error}"
            ) from None
