"""Answers GET requests of HTTP/1.1 for those who watch: bounded in all directions, and with no way to files.

    site = Site({"/healthz": Route(lambda request: Answer(b"ok"), open=True)}, permits=token_is_right)
    listening = site.listen("127.0.0.1", 0, tls, "http")

h11 reads and writes the protocol. Around it: a time for each step, one answer at a time for each connection, a bound
for what all slow readers together let wait, one for how often an address may ask for what has to be made, and the
token. Without `permits` there is no token, which is for the loopback interface only; then the name that was connected
to must be this machine's, since a page of somebody else's could have its own name point here. Import it where something
is served. Imports `listening`, `admission`, `exposure`, `rate` and `log` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qsl

import h11

from maelstrom_core import log
from maelstrom_core.admission import Admission, Limits, network_of
from maelstrom_core.exposure import is_loopback
from maelstrom_core.listening import Gate, Listening, Visit, listen
from maelstrom_core.rate import Rate

if TYPE_CHECKING:
    import ssl

REQUEST = 10.0
"""Seconds in which a request must have come, from its first byte or that of the connection."""
IDLE = 30.0
"""Seconds that a connection is kept between requests."""
SENDING = 30.0
"""Seconds in which an answer must have been read."""
LONGEST_REQUEST = 16 << 10
"""Bytes of a request with its headers."""
WAITING = 64 << 20
"""Bytes that wait for all readers together."""
LIMITS = Limits(connections=1000, per_address=200, waiting=200)
FIELDS = 20
OFTEN = (50.0, 200, 5.0)
"""Answers a second that an address may have made, how many at once, seconds to wait. A page asks thrice a second."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", _POLICY),
)


class Request(NamedTuple):
    """What is asked for."""

    path: str
    query: Mapping[str, str]


class Answer(NamedTuple):
    """What is said."""

    body: bytes
    kind: str = "application/json"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Route(NamedTuple):
    """Who answers; `open` means that no token is wanted. What it raises is a bug: 500, and nothing is told of it."""

    handler: Callable[[Request], Answer | Awaitable[Answer]]
    open: bool = False


def problem(status: int, what: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer for people."""
    return Answer(f"{what}\n".encode(), "text/plain; charset=utf-8", status, headers)


class Site:
    """What is served, and to whom."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        permits: Callable[[str], bool] | None,
        limits: Limits = LIMITS,
        often: tuple[float, int, float] = OFTEN,
    ) -> None:
        self.routes = routes
        self.permits = permits
        self.rate = Rate(*often)
        self.admission: Admission[Visit] = Admission(limits)
        self.requests = 0
        """Answered, ever."""
        self.slow: set[_Connection] = set()
        """Those that have not read all of an answer yet."""
        self.connections: set[_Connection] = set()

    def listen(self, host: str, port: int, tls: ssl.SSLContext | None, option: str) -> Listening:
        """Listen; raises ConfigError, which names the option."""
        return listen(Gate(self.admission, lambda visit: _Connection(self, visit), tls), host, port, option)

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self.connections):
            connection.abort()

    def find(self, method: str, target: str, headers: Mapping[bytes, bytes]) -> Route | Answer:
        """Return who answers a request; or the answer, where it is none that is answered."""
        path = target.partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return problem(405, "only GET and HEAD are answered", ("allow", "GET, HEAD"))
        if self.permits is None and not is_loopback(_host(headers.get(b"host", b""))):
            return problem(403, "this is not the name of this machine's loopback interface")
        route = self.routes.get(path)
        if route is None:
            return problem(404, "there is nothing here")
        if route.open or self.permits is None:
            return route
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return problem(401, "a token is wanted", ("www-authenticate", "Bearer"))
        if not self.permits(token.strip().decode("latin-1")):
            return problem(401, "the token is wrong", ("www-authenticate", 'Bearer error="invalid_token"'))
        return route

    def has_room(self) -> bool:
        """Tell whether one more answer may wait for its reader."""
        return sum(connection.unsent() for connection in self.slow) < WAITING


def _host(value: bytes) -> str:
    """Return the host of a Host header, without its port and brackets."""
    text = value.decode("latin-1")
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]


class _Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, site: Site, visit: Visit) -> None:
        self._site = site
        self._visit = visit
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_REQUEST)
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._turn: asyncio.TimerHandle | None = None
        """Until who asks too often is answered."""
        self._method = "GET"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request."""
        self._transport = cast("asyncio.Transport", transport)
        self._site.connections.add(self)
        self._within(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._http.their_state is h11.IDLE and self._http.our_state is h11.IDLE:
            self._within(REQUEST)
        self._http.receive_data(data)
        self._events()

    def eof_received(self) -> bool:
        """Take note that nothing more will come; what has been asked for is answered still."""
        self._http.receive_data(b"")
        self._events()
        return self._busy

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget it."""
        self._visit.gone()
        self._site.connections.discard(self)
        self._site.slow.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._turn is not None:
            self._turn.cancel()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """Take note that the reader is slow."""
        self._site.slow.add(self)

    def resume_writing(self) -> None:
        """Take note that it has read enough to be asked for more."""
        self._site.slow.discard(self)
        self._next()

    def unsent(self) -> int:
        """Return how many bytes wait for the reader."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    @property
    def _busy(self) -> bool:
        """Whether an answer is being made, or waits for its turn."""
        return self._task is not None or self._turn is not None

    def _within(self, seconds: float) -> None:
        """Have the connection closed, unless something else happens before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _events(self) -> None:
        """Answer what has been asked for, one after the other; who asks faster is not read from meanwhile."""
        try:
            while not self._transport.is_closing() and not self._busy:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    return
                if event is h11.PAUSED:
                    break
                match event:
                    case h11.Request():
                        self._request(event)
                    case h11.EndOfMessage():
                        self._next()
                    case h11.Data() | h11.ConnectionClosed():
                        self._transport.close()
        except h11.RemoteProtocolError as error:
            self._visit.failed("no HTTP")
            if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                self._answer(problem(error.error_status_hint, str(error)))
            self._transport.close()
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def _request(self, request: h11.Request) -> None:
        headers = dict(request.headers)
        target = request.target.decode("latin-1")
        self._method = request.method.decode("latin-1")
        found = self._site.find(self._method, target, headers)
        if isinstance(found, Answer):
            if found.status == 401 and b"authorization" in headers:
                self._visit.failed("wrong token")
                log.info("refused", address=self._visit.address, reason="the token is wrong")
            self._answer(found)
            return
        if found.open:
            self._make(found, target)
            return
        self._visit.greeted()
        loop = asyncio.get_running_loop()
        wait = self._site.rate.book(network_of(self._visit.address), loop.time())
        if wait is None:
            self._answer(problem(429, "too many requests", ("retry-after", "5")))
        elif wait:
            self._turn = loop.call_later(wait, self._in_turn, found, target)
        else:
            self._make(found, target)

    def _in_turn(self, route: Route, target: str) -> None:
        self._turn = None
        self._make(route, target)
        self._events()

    def _make(self, route: Route, target: str) -> None:
        """Have an answer made."""
        if not self._site.has_room():
            self._answer(problem(503, "too many who read slowly", ("retry-after", "5")))
            return
        path, _, query = target.partition("?")
        try:
            answer = route.handler(Request(path, dict(parse_qsl(query, max_num_fields=FIELDS))))
        except ValueError as error:
            self._answer(problem(400, str(error)))
            return
        if isinstance(answer, Answer):
            self._answer(answer)
        else:
            self._task = asyncio.ensure_future(self._later(answer))

    async def _later(self, answer: Awaitable[Answer]) -> None:
        try:
            self._answer(await answer)
        except Exception as error:  # noqa: BLE001 - a bug, which is to cost this answer only
            log.info("failed to answer a request", error=repr(error))
            self._answer(problem(500, "this is a bug in maelstrom"))
        self._task = None
        self._events()

    def _answer(self, answer: Answer) -> None:
        self._site.requests += 1
        headers = [*_ALWAYS, *answer.headers, ("content-type", answer.kind), ("content-length", str(len(answer.body)))]
        parts = [self._http.send(h11.Response(status_code=answer.status, headers=headers, reason=b""))]
        if self._method != "HEAD":
            parts.append(self._http.send(h11.Data(data=answer.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        if self._transport.is_closing():
            return
        self._within(SENDING)
        self._transport.write(b"".join(part for part in parts if part))
        self._next()

    def _next(self) -> None:
        """Be ready for the next request when the answer has been read."""
        if self in self._site.slow or self._transport.is_closing() or self._busy:
            return
        if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is h11.MUST_CLOSE:
            self._transport.close()
            return
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._within(IDLE)
            self._transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._events)
