"""The client: takes job specifications, gives outcomes. Today's back end is this machine.

A specification is collapsed and its environment evaluated once; its layers are built once, in threads; after that a
job with an equal container goes straight to the supervisor.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from pathlib import Path
from typing import Self

import msgspec

from maelstrom_container.store import LayerStore
from maelstrom_core.collapse import FlatContainer, collapse
from maelstrom_core.config import DEFAULT_CACHE_SIZE, cache_directory, processors
from maelstrom_core.environment import client_lookup, evaluate
from maelstrom_core.errors import MaelstromError, UserError
from maelstrom_core.job import (
    DEFAULT_INLINE_LIMIT,
    Cancelled,
    Container,
    ExecutionError,
    Job,
    Outcome,
    RealisedLayer,
    SystemFailure,
)
from maelstrom_core.spec import BindMount, ContainerSpec, JobSpec, Layer, Mount
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.supervisor import Supervisor


class ClientOptions(msgspec.Struct, frozen=True):
    """What a client is made with. Relative paths of specifications start at `project_directory`."""

    project_directory: Path
    slots: int = msgspec.field(default_factory=processors)
    cache_root: Path = msgspec.field(default_factory=lambda: cache_directory(os.environ))
    cache_size: int = DEFAULT_CACHE_SIZE


class _Ready(msgspec.Struct, frozen=True):
    """What all jobs of one container specification share."""

    container: Container
    environment: tuple[str, ...]
    working_directory: str


class Client:
    """Runs jobs; an async context manager, for one event loop. At its end everything it started is gone."""

    def __init__(self, nursery: Nursery, options: ClientOptions) -> None:
        # Pool members live in another current directory.
        self._project = options.project_directory.absolute()
        self._supervisor = Supervisor(nursery, slots=options.slots)
        self._store = LayerStore(options.cache_root.absolute(), target_size=options.cache_size)
        self._containers: dict[str, ContainerSpec] = {}
        self._ready: dict[bytes, _Ready] = {}
        self._making: dict[bytes, asyncio.Task[_Ready]] = {}
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
        self, spec: JobSpec, *, stdin: bytes = b"", inline_limit: int = DEFAULT_INLINE_LIMIT
    ) -> asyncio.Future[Outcome]:
        """Run a job. The future never fails: whatever happens is the outcome. Raises SpecError for a wrong spec."""
        key = self._encode(spec.container)
        ready = self._ready.get(key)
        if ready is not None:
            return self._supervisor.submit(_job(spec, ready, stdin, inline_limit))
        flat = collapse(spec.container, self._containers)
        environment = evaluate(flat.environment, client_lookup(os.environ))
        making = self._making.get(key)
        if making is None:
            making = asyncio.create_task(self._make(flat, environment))
            self._making[key] = making
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        making.add_done_callback(lambda task: self._made(key, task, future, (spec, stdin, inline_limit)))
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

    async def _make(self, flat: FlatContainer, environment: tuple[str, ...]) -> _Ready:
        layers: list[RealisedLayer] = []
        for realised in await asyncio.gather(*(self._realise(layer) for layer in flat.layers)):
            layers += realised
        container = Container(
            layers=tuple(layers),
            mounts=tuple(self._absolute(mount) for mount in flat.mounts),
            network=flat.network,
            writable=flat.writable,
            user=flat.user,
            group=flat.group,
            directories=_directories(environment) if flat.writable else (),
        )
        return _Ready(container, environment, flat.working_directory)

    async def _realise(self, layer: Layer) -> tuple[RealisedLayer, ...]:
        return await asyncio.to_thread(self._store.realise, layer, project_directory=self._project)

    def _absolute(self, mount: Mount) -> Mount:
        if isinstance(mount, BindMount):
            return msgspec.structs.replace(mount, local_path=str(self._project / mount.local_path))
        return mount

    def _made(
        self,
        key: bytes,
        task: asyncio.Task[_Ready],
        future: asyncio.Future[Outcome],
        job: tuple[JobSpec, bytes, int],
    ) -> None:
        self._making.pop(key, None)
        if future not in self._waiting:
            return  # cancelled meanwhile
        if task.cancelled():
            self._settle(future, Cancelled())
        elif (error := task.exception()) is not None:
            self._settle(future, _failure(error))
        else:
            self._ready[key] = task.result()
            inner = self._supervisor.submit(_job(job[0], task.result(), job[1], job[2]))
            self._waiting[future] = inner
            inner.add_done_callback(lambda done: self._settle(future, done.result()))

    def _settle(self, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        self._waiting.pop(future, None)
        if not future.done():
            future.set_result(outcome)


def _job(spec: JobSpec, ready: _Ready, stdin: bytes, inline_limit: int) -> Job:
    return Job(
        container=ready.container,
        program=spec.program,
        arguments=spec.arguments,
        environment=ready.environment,
        working_directory=ready.working_directory,
        timeout=spec.timeout or None,
        priority=spec.priority,
        estimated_duration=spec.estimated_duration,
        stdin=stdin,
        inline_limit=inline_limit,
    )


def _directories(environment: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a writable container always has: somewhere to put files, and a home if the job is told of one."""
    home = next((entry[5:] for entry in environment if entry.startswith("HOME=/")), "")
    return ("/var/tmp", *([posixpath.normpath(home)] if home.strip("/") else []))  # noqa: S108


def _failure(error: BaseException) -> Outcome:
    """Say why a layer could not be built: by the user's fault, or ours."""
    if isinstance(error, UserError):
        return ExecutionError(error.message, error.hint)
    if isinstance(error, MaelstromError):
        return SystemFailure(error.message, error.hint)
    if isinstance(error, OSError):
        return SystemFailure(f"failed to build a layer: {error}")
    raise error
