"""The client: takes job specifications, gives outcomes. Today's back end is this machine.

A specification is collapsed and its environment evaluated once; its layers are built once, in threads; after that a
job with an equal container goes straight to the supervisor.
"""

from __future__ import annotations

import asyncio
import os
from typing import Self

import msgspec

from maelstrom_client.ready import ClientOptions, Ready, failure, job_of, make_ready
from maelstrom_container.store import LayerStore
from maelstrom_core.collapse import FlatContainer, collapse
from maelstrom_core.environment import client_lookup, evaluate
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Cancelled, Outcome, RealisedLayer
from maelstrom_core.spec import ContainerSpec, JobSpec, Layer
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.supervisor import OnStart, Supervisor

__all__ = ["Client", "ClientOptions"]


class Client:
    """Runs jobs; an async context manager, for one event loop. At its end everything it started is gone."""

    def __init__(self, nursery: Nursery, options: ClientOptions) -> None:
        # Pool members live in another current directory.
        self._project = options.project_directory.absolute()
        self._supervisor = Supervisor(nursery, slots=options.slots)
        self._store = LayerStore(options.cache_root.absolute(), target_size=options.cache_size)
        self._containers: dict[str, ContainerSpec] = {}
        self._ready: dict[bytes, Ready] = {}
        self._making: dict[bytes, asyncio.Task[Ready]] = {}
        self._waiting: dict[asyncio.Future[Outcome], asyncio.Future[Outcome] | None] = {}
        self._encode = msgspec.msgpack.Encoder().encode

    async def __aenter__(self) -> Self:
        """Open the cache and start the pool.

        Raises UserError where the cache directory cannot be used, HostError where this host allows no containers.
        """
        await self._supervisor.__aenter__()
        try:
            self._store.__enter__()
        except BaseException:
            await self._supervisor.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._making.values()):
            task.cancel()
        for future in list(self._waiting):
            self.cancel(future)
        await self._supervisor.__aexit__()
        self._store.__exit__(None, None, None)

    def add_container(self, name: str, spec: ContainerSpec) -> ContainerSpec | None:
        """Make a container known as a parent by name; returns the one it replaces."""
        previous = self._containers.get(name)
        self._containers[name] = spec
        self._ready.clear()  # a parent may mean something else now
        return previous

    def submit(
        self,
        spec: JobSpec,
        *,
        stdin: bytes = b"",
        inline_limit: int = DEFAULT_INLINE_LIMIT,
        on_start: OnStart | None = None,
    ) -> asyncio.Future[Outcome]:
        """Run a job. The future never fails: whatever happens is the outcome. Raises SpecError for a wrong spec.

        `on_start` is called when a slot takes the job.
        """
        key = self._encode(spec.container)
        ready = self._ready.get(key)
        if ready is not None:
            return self._supervisor.submit(job_of(spec, ready, stdin, inline_limit), on_start=on_start)
        flat = collapse(spec.container, self._containers)
        environment = evaluate(flat.environment, client_lookup(os.environ))
        making = self._making.get(key)
        if making is None:
            making = asyncio.create_task(self._make(flat, environment))
            self._making[key] = making
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        making.add_done_callback(lambda task: self._made(key, task, future, (spec, stdin, inline_limit), on_start))
        return future

    def cancel(self, future: asyncio.Future[Outcome]) -> None:
        """Stop a job; its outcome becomes `Cancelled` unless it has one already."""
        inner = self._waiting.get(future, future)
        if inner is None:
            self._settle(future, Cancelled())
        else:
            self._supervisor.cancel(inner)

    def is_running(self, future: asyncio.Future[Outcome]) -> bool:
        """Tell whether a job has been handed to a slot and has no outcome yet."""
        inner = self._waiting.get(future, future)
        return inner is not None and self._supervisor.is_running(inner)

    async def _make(self, flat: FlatContainer, environment: tuple[str, ...]) -> Ready:
        layers: list[RealisedLayer] = []
        for realised in await asyncio.gather(*(self._realise(layer) for layer in flat.layers)):
            layers += realised
        return make_ready(flat, layers, environment, self._project)

    async def _realise(self, layer: Layer) -> tuple[RealisedLayer, ...]:
        return await asyncio.to_thread(self._store.realise, layer, project_directory=self._project)

    def _made(
        self,
        key: bytes,
        task: asyncio.Task[Ready],
        future: asyncio.Future[Outcome],
        job: tuple[JobSpec, bytes, int],
        on_start: OnStart | None,
    ) -> None:
        self._making.pop(key, None)
        if future not in self._waiting:
            return  # cancelled meanwhile
        if task.cancelled():
            self._settle(future, Cancelled())
        elif (error := task.exception()) is not None:
            self._settle(future, failure(error))
        else:
            self._ready[key] = task.result()
            inner = self._supervisor.submit(job_of(job[0], task.result(), job[1], job[2]), on_start=on_start)
            self._waiting[future] = inner
            inner.add_done_callback(lambda done: self._settle(future, done.result()))

    def _settle(self, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        self._waiting.pop(future, None)
        if not future.done():
            future.set_result(outcome)
