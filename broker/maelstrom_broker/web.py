"""What a broker shows by HTTP: the page, /api/..., /metrics, /healthz. Looks, and changes nothing.

What is told is made at most twice a second, however many watch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Literal, cast, get_args

import msgspec

from maelstrom_broker import overview
from maelstrom_broker.history import History, sample_of
from maelstrom_broker.server import Server
from maelstrom_core import __version__
from maelstrom_core.http_server import Answer, Request, Route, Site
from maelstrom_core.messages import JobStatus, StateName, Status, WorkerStatus
from maelstrom_core.metrics import KIND, Metric, render, single

FRESH = 0.5
"""Seconds for which what was told is told again."""
JOBS = 1000
"""That are listed, at most."""

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/uPlot.js": ("vendored/uPlot.iife.min.js", "text/javascript; charset=utf-8"),
    "/uPlot.css": ("vendored/uPlot.min.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class Told(msgspec.Struct, frozen=True):
    """What /api/status tells."""

    version: str
    time: float
    status: Status
    refused: Mapping[str, int]
    """Connections that were not let in, by reason."""
    connections: int
    waiting: int
    """Those of them that have not shown a token yet."""
    history: dict[int, list[int]]
    """Slots in use of each worker, by the number of its connection, each five seconds, oldest first."""


class ToldJobs(msgspec.Struct, frozen=True):
    """What /api/jobs tells."""

    total: int
    jobs: tuple[JobStatus, ...]


class Web:
    """The site of a broker, and what it has seen so far."""

    def __init__(self, server: Server, permits: Callable[[str], bool] | None) -> None:
        self.server = server
        self.history = History()
        self._start = time.time() - time.monotonic()
        self._told = (0.0, b"")
        self._timer: asyncio.TimerHandle | None = None
        page = files("maelstrom_broker") / "page"
        static = {path: Answer(page.joinpath(name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
        routes = {path: Route(lambda request: static[request.path], open=True) for path in static}
        routes |= {
            "/healthz": Route(lambda _request: Answer(b"ok\n", "text/plain; charset=utf-8"), open=True),
            "/metrics": Route(lambda _request: Answer(render(self.metrics()), KIND)),
            "/api/status": Route(lambda _request: Answer(self.status())),
            "/api/history": Route(self._history),
            "/api/jobs": Route(self._jobs),
        }
        self.site = Site(routes, permits)

    def watch(self) -> None:
        """Begin to take samples, one each second."""
        now, status = self.now(), self._status()
        self.history.add(now, sample_of(status, self.server.admission.refused.total()))
        self.history.add_workers(now, {worker.peer: worker.used for worker in status.workers})
        self._timer = asyncio.get_running_loop().call_later(1.0, self.watch)

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
        self.site.close()

    def now(self) -> float:
        """Return the time of day as seconds since 1970; it never goes back."""
        return self._start + time.monotonic()

    def status(self) -> bytes:
        """Return what there is now, as JSON."""
        now = self.now()
        if now - self._told[0] > FRESH:
            server = self.server
            told = Told(
                version=__version__,
                time=now,
                status=self._status(),
                refused=server.admission.refused,
                connections=len(server.admission),
                waiting=server.admission.waiting,
                history=self.history.workers(),
            )
            self._told = now, _encode(told)
        return self._told[1]

    def metrics(self) -> list[Metric]:
        """Return what Prometheus is told."""
        server, status = self.server, self._status()
        admission = server.admission
        states = {"artifacts": status.artifacts, "queued": status.queued, "running": status.running}
        ended = {"finished": status.finished, "failed": status.failed, "cancelled": status.cancelled}
        return [
            Metric("maelstrom_broker_info", "gauge", "Version of the broker.", [({"version": __version__}, 1)]),
            single("maelstrom_broker_uptime_seconds", "gauge", "How long the broker runs.", status.seconds),
            single("maelstrom_broker_workers", "gauge", "Workers that are connected.", status.total_workers),
            single("maelstrom_broker_clients", "gauge", "Clients that are connected.", status.clients),
            single("maelstrom_broker_slots", "gauge", "Slots of workers that do not drain.", status.slots),
            single("maelstrom_broker_slots_used", "gauge", "Slots of jobs that run.", status.used),
            _by("maelstrom_broker_jobs", "state", "gauge", "Unfinished jobs; running is all at workers.", states),
            _by("maelstrom_broker_jobs_ended_total", "how", "counter", "Jobs that have ended.", ended),
            _by("maelstrom_broker_refused_total", "reason", "counter", "Connections not let in.", admission.refused),
            single("maelstrom_broker_connections", "gauge", "Connections of the cluster.", len(admission)),
            single("maelstrom_broker_http_requests_total", "counter", "Requests answered.", self.site.requests),
            *_of_workers(status),
        ]

    def _status(self) -> Status:
        return overview.status(self.server.broker, self._clock())

    @staticmethod
    def _clock() -> float:
        """Return the time by the clock of the broker's events."""
        return asyncio.get_running_loop().time()

    def _history(self, request: Request) -> Answer:
        level = _number(request, "level", 0, 0, 9)
        return Answer(_encode(self.history.since(level, float(_number(request, "since", 0, 0, 1 << 53)))))

    def _jobs(self, request: Request) -> Answer:
        state = request.query.get("state")
        if state is not None and state not in get_args(StateName):
            raise ValueError(f"there is no state `{state[:50]}`: there are {', '.join(get_args(StateName))}")
        limit = _number(request, "limit", 100, 1, JOBS)
        jobs = overview.jobs(self.server.broker, self._clock(), limit, cast("StateName | None", state))
        return Answer(_encode(ToldJobs(jobs.total, jobs.jobs)))


def _by(name: str, label: str, kind: Literal["gauge", "counter"], text: str, values: Mapping[str, float]) -> Metric:
    return Metric(name, kind, text, [({label: key}, value) for key, value in values.items()])


def _of_workers(status: Status) -> list[Metric]:
    """Return the metrics with a label for each worker; two of one name are told apart by their numbers."""
    workers = [({"worker": worker.name, "peer": str(worker.peer)}, worker) for worker in status.workers]

    def metric(name: str, kind: Literal["gauge", "counter"], text: str, value: Callable[[WorkerStatus], int]) -> Metric:
        return Metric(f"maelstrom_worker_{name}", kind, text, [(labels, value(worker)) for labels, worker in workers])

    return [
        metric("slots", "gauge", "Slots of a worker.", lambda worker: worker.slots),
        metric("slots_used", "gauge", "Slots in use there.", lambda worker: worker.used),
        metric("jobs_ahead", "gauge", "Jobs that wait there for a slot.", lambda worker: worker.ahead),
        metric("draining", "gauge", "1 if it gets no more jobs.", lambda worker: int(worker.draining)),
        metric("jobs_ended_total", "counter", "Jobs of which it told the outcome.", lambda worker: worker.ended),
    ]


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise ValueError(f"`{name}` is a number between {least} and {most}")
    return int(text)


_encode = msgspec.json.Encoder().encode
