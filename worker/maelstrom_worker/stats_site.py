"""What a worker shows by HTTP: /stats, /metrics, /healthz. Looks at most four times a second, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from maelstrom_core.config_kinds import Address
from maelstrom_core.credentials import read
from maelstrom_core.exposure import is_loopback, may_listen
from maelstrom_core.http_server import Answer, Request, Route, Site
from maelstrom_core.listening import Listening
from maelstrom_core.metrics import KIND, render
from maelstrom_worker.stats import Gatherer, Snapshot, Stats, metrics, snapshot

if TYPE_CHECKING:
    import ssl

    from maelstrom_container.store import LayerStore
    from maelstrom_worker.config import WorkerConfig
    from maelstrom_worker.supervisor import Supervisor

FRESH = 0.25
"""Seconds for which what was told is told again."""


def serve_stats(
    stack: contextlib.ExitStack,
    config: WorkerConfig,
    supervisor: Supervisor,
    store: LayerStore,
    waiting: Callable[[], int],
) -> str:
    """Serve as `--stats` says until the stack is left; return the URL. Raises ConfigError.

    `waiting` tells how many jobs have come and not begun: the supervisor gets them when a slot is free.
    """
    address = config.stats
    assert address is not None  # noqa: S101 - else nobody would call this
    tls = permits = None
    if not is_loopback(address.host):
        if config.tls_cert is not None:
            from maelstrom_core.tls import server_context

            tls = server_context(config.tls_cert, config.tls_key)
        credentials = read(config.credentials)
        permits = partial(credentials.permits, "monitor")

    def look() -> Snapshot:
        return msgspec.structs.replace(snapshot(supervisor, store.bytes_used), queued=waiting())

    site = StatsSite(address, look, config.cache_root, tls=tls, permits=permits)
    stack.callback(site.close)
    return site.url


class StatsSite:
    """Serves until it is closed. `look` is called in the loop."""

    def __init__(
        self,
        address: Address,
        look: Callable[[], Snapshot],
        disk: Path,
        *,
        tls: ssl.SSLContext | None = None,
        permits: Callable[[str], bool] | None = None,
    ) -> None:
        """Listen; on loopback no token is wanted. Raises ConfigError, also where others could read what is said."""
        may_listen(address.host, tls=tls is not None, option="stats")
        self._look = look
        self._gatherer = Gatherer(disk)
        self._lock = asyncio.Lock()
        self._last: tuple[float, Stats] | None = None
        routes = {
            "/healthz": Route(lambda _request: Answer(b"ok\n", "text/plain; charset=utf-8"), open=True),
            "/stats": Route(self._stats),
            "/metrics": Route(self._metrics),
        }
        self._site = Site(routes, None if is_loopback(address.host) else permits or (lambda _token: False))
        self._listening: Listening = self._site.listen(address.host, address.port, tls, "stats")
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://{Address(self._listening.host, self._listening.port)}/"

    def close(self) -> None:
        """Serve no more."""
        self._listening.close()
        self._site.close()

    async def stats(self) -> Stats:
        """Return what there is now, or was a moment ago."""
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > FRESH:
                stats = await asyncio.to_thread(self._gatherer.gather, self._look())
                self._last = time.monotonic(), stats
            return self._last[1]

    async def _stats(self, _request: Request) -> Answer:
        return Answer(msgspec.json.encode(await self.stats()))

    async def _metrics(self, _request: Request) -> Answer:
        return Answer(render(metrics(await self.stats())), KIND)
