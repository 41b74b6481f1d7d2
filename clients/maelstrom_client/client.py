"""The client for asyncio: takes job specifications, gives futures of outcomes. See `callbacks` for what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from maelstrom_client.callbacks import CallbackClient
from maelstrom_client.ready import ClientOptions
from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Outcome
from maelstrom_core.spec import ContainerSpec, JobSpec, Reference
from maelstrom_worker.job_queue import JobId
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.supervisor import OnStart

if TYPE_CHECKING:
    from maelstrom_container.images.store import RealisedImage
    from maelstrom_container.store import LayerStore

__all__ = ["Client", "ClientOptions"]

T = TypeVar("T")


class Client:
    """Runs jobs; an async context manager, for one event loop. At its end everything it started is gone."""

    def __init__(self, nursery: Nursery, options: ClientOptions) -> None:
        self._inner = CallbackClient(nursery, options)
        self._ids: dict[asyncio.Future[Outcome], JobId] = {}

    async def __aenter__(self) -> Self:
        """Open the cache and start the pool.

        Raises UserError where the cache directory cannot be used, HostError where this host allows no containers.
        """
        self._inner.open(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inner.close()

    def add_container(self, name: str, spec: ContainerSpec) -> ContainerSpec | None:
        """Make a container known as a parent by name; returns the one it replaces."""
        return self._inner.add_container(name, spec)

    def submit(
        self,
        spec: JobSpec,
        *,
        stdin: bytes = b"",
        inline_limit: int = DEFAULT_INLINE_LIMIT,
        on_start: OnStart | None = None,
        descriptor: int = -1,
    ) -> asyncio.Future[Outcome]:
        """Run a job. The future never fails: whatever happens is the outcome. Raises SpecError for a wrong spec.

        `on_start` is called when a slot takes the job. `descriptor` is one of `passing.offer`, with the job's standard
        streams, and is closed here unless this raises.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        report = partial(self._settle, future)
        identity = self._inner.start(
            spec, report, stdin=stdin, inline_limit=inline_limit, on_start=on_start, descriptor=descriptor
        )
        if not future.done():
            self._ids[future] = identity
        return future

    def cancel(self, future: asyncio.Future[Outcome]) -> None:
        """Stop a job; its outcome becomes `Cancelled` unless it has one already."""
        if (identity := self._ids.get(future)) is not None:
            self._inner.cancel(identity)

    def is_running(self, future: asyncio.Future[Outcome]) -> bool:
        """Tell whether a job has been handed to a slot and has no outcome yet."""
        identity = self._ids.get(future)
        return identity is not None and self._inner.is_running(identity)

    def find_image(self, reference: Reference) -> asyncio.Future[RealisedImage]:
        """Have an image on this machine, and say what is in it. Fails with MaelstromError."""
        future: asyncio.Future[RealisedImage] = asyncio.get_running_loop().create_future()
        self._inner.find_image(reference, partial(_tell, future))
        return future

    def with_store(self, work: Callable[[LayerStore], T]) -> asyncio.Future[T]:
        """Have something done with the layers in a thread; fails as it does."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._inner.with_store(work, partial(_tell, future))
        return future

    def _settle(self, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        self._ids.pop(future, None)
        if not future.done():
            future.set_result(outcome)


def _tell(future: asyncio.Future[T], result: T, error: BaseException | None) -> None:
    if future.done():  # nobody waits any more
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
