"""The worker's process, from start to stop: signals, the loop, what is said of it to those who watch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import socket
import sys
from functools import partial

import msgspec

from maelstrom_container.store import LayerStore
from maelstrom_core import log, notify
from maelstrom_core import messages as m
from maelstrom_core.config_cluster import endpoint_of
from maelstrom_core.dial import Endpoint, dial_plainly
from maelstrom_core.errors import ConfigError
from maelstrom_core.link import RefusedError
from maelstrom_worker.background import Background
from maelstrom_worker.bringing import Bringing
from maelstrom_worker.config import WorkerConfig
from maelstrom_worker.daemon import Daemon
from maelstrom_worker.fetcher import Fetcher
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.rests import Rests
from maelstrom_worker.sending import RestSender
from maelstrom_worker.supervisor import Supervisor

INTERRUPTED = 130


def serve(config: WorkerConfig, nursery: Nursery) -> int:
    """Work until told to stop; return the exit code. Raises MaelstromError."""
    import uvloop

    if config.broker is None:
        raise ConfigError("a worker needs a broker", hint="say where it is with --broker HOST:PORT")
    endpoint = endpoint_of(config, "worker")
    assert endpoint is not None  # noqa: S101 - there is a broker
    return uvloop.run(_Service(config).run(nursery, endpoint))


class _Service:
    """What signals and the broker may bring to an end."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._over = asyncio.Event()
        self._error: RefusedError | None = None
        self._code = 0
        self._told = 0
        self._daemon: Daemon

    async def run(self, nursery: Nursery, endpoint: Endpoint) -> int:
        """Work; return the exit code."""
        loop = asyncio.get_running_loop()
        cache_root = self._config.cache_root.absolute()
        rests = Rests(cache_root, self._config.slots, self._config.output_size)
        supervisor = Supervisor(nursery, slots=self._config.slots, rests=rests)
        supervisor.open(loop)
        try:
            with LayerStore(cache_root, target_size=self._config.cache_size) as store:
                try:
                    await self._work(loop, supervisor, store, endpoint)
                finally:
                    supervisor.close()  # before the layers may disappear
        finally:
            supervisor.close()
        if self._error is not None:
            raise self._error
        return self._code

    async def _work(
        self, loop: asyncio.AbstractEventLoop, supervisor: Supervisor, store: LayerStore, endpoint: Endpoint
    ) -> None:
        hello = hello_of(self._config, endpoint.token)
        background = Background(loop)
        try:
            fetcher = Fetcher(
                store,
                self._config.cache_root.absolute() / "fetched",
                partial(dial_plainly, endpoint),
                endpoint.token,
                name=hello.name,
                changed=lambda added, removed: background.post(lambda: self._daemon.tell_holding(added, removed)),
            )
            bringing = Bringing(fetcher, background)
            sender = RestSender(partial(dial_plainly, endpoint), endpoint.token, hello.name, background)
            self._daemon = daemon = Daemon(
                loop, supervisor, endpoint, hello, bringing, over=self._ended, send=sender.send
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop, number)
            told = f"working for {endpoint} with {supervisor.slots} slots"
            with contextlib.ExitStack() as stack:
                if self._config.stats is not None:
                    from maelstrom_worker.stats_site import serve_stats

                    waiting = daemon.attempts.waiting
                    told += f", statistics at {serve_stats(stack, self._config, supervisor, store, waiting)}"
                daemon.open()
                notify.tell("READY=1", f"STATUS={told}")
                print(told, flush=True)  # noqa: T201 - who starts it wants to know
                await self._over.wait()
                notify.tell("STOPPING=1")
                daemon.close("the worker stops")
        finally:
            background.close()

    def _ended(self, error: RefusedError | None) -> None:
        self._error = error
        self._over.set()

    def _stop(self, number: int) -> None:
        """Drain; told a second time, stop at once."""
        self._told += 1
        if number == signal.SIGINT:
            self._code = INTERRUPTED
        if self._told > 1:
            self._over.set()
            return
        running = self._daemon.attempts.running()
        if running:
            print(f"maelstrom-worker: waiting for {running} jobs; once more to stop them", file=sys.stderr, flush=True)  # noqa: T201
        log.info("draining", running=running)
        self._daemon.drain()


def hello_of(config: WorkerConfig, token: str) -> m.Hello:
    """Return what the worker says of itself. Raises ConfigError."""
    labels = (f"arch:{platform.machine()}", *(label for text in config.labels for label in text.split()))
    memory = config.memory if config.memory is not None else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    offer = m.Offer(slots=config.slots, memory=memory, labels=tuple(dict.fromkeys(labels)))
    name = config.name if config.name is not None else socket.gethostname()
    try:
        return msgspec.convert(msgspec.to_builtins(m.Hello(m.PROTOCOL, "worker", token, name, offer=offer)), m.Hello)
    except msgspec.ValidationError as error:
        raise ConfigError(f"failed to introduce this worker to the broker: {error}", hint="--name, --labels") from None
