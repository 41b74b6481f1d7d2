"""What runs the jobs of a run: a `Runner`, and the one on top of the client library.

What decides about tests is given a `Runner` only, so that it can be tried without containers. Imports of the project
the vocabulary of jobs only, and not asyncio, which is that of whoever runs jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from maelstrom_core.job import DEFAULT_INLINE_LIMIT, Outcome
from maelstrom_core.spec import JobSpec, Reference

if TYPE_CHECKING:
    from asyncio import Future

    from maelstrom_client.downloads import Downloads
    from maelstrom_container.images.store import RealisedImage
    from maelstrom_container.store import LayerStore

T = TypeVar("T")


class Runner(Protocol):
    """Runs jobs, as many at once as it sees fit."""

    def submit(
        self, spec: JobSpec, *, stdin: bytes, on_start: Callable[[], None] | None = None, descriptor: int = -1
    ) -> Future[Outcome]:
        """Queue a job; the future has what became of it. `on_start` is called when it begins.

        `descriptor`, one of `passing.offer`, has standard streams for it, and is closed unless this raises.
        """
        ...

    def cancel(self, future: Future[Outcome]) -> None:
        """Stop a job; its outcome becomes `Cancelled` unless it has one already."""
        ...


class ImageRunner(Runner, Protocol):
    """A runner that knows images and keeps layers."""

    def find_image(self, reference: Reference) -> Future[RealisedImage]:
        """Have an image on this machine, and say what is in it; fails with MaelstromError."""
        ...

    def with_store(self, work: Callable[[LayerStore], T]) -> Future[T]:
        """Have something done with the layers that are kept, in a thread; fails as it does."""
        ...

    def download_line(self) -> str | None:
        """Return how far the download of an image is, in words; None if there is none."""
        ...

    def download_summary(self) -> str | None:
        """Return the same for one that is over."""
        ...


class Library(Protocol):
    """The part of the client library that is needed here."""

    def find_image(self, reference: Reference) -> Future[RealisedImage]:
        """Have an image on this machine."""
        ...

    def with_store(self, work: Callable[[LayerStore], T]) -> Future[T]:
        """Have something done with the layers."""
        ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> None: ...

    def submit(
        self,
        spec: JobSpec,
        *,
        stdin: bytes = b"",
        inline_limit: int = ...,
        on_start: Callable[[], None] | None = None,
        descriptor: int = -1,
    ) -> Future[Outcome]:
        """Queue a job."""
        ...

    def cancel(self, future: Future[Outcome]) -> None:
        """Stop a job."""
        ...


class ClientRunner(AbstractAsyncContextManager["ClientRunner"]):
    """A runner on top of the client library, for an `async with` block."""

    def __init__(
        self, client: Library, *, inline_limit: int = DEFAULT_INLINE_LIMIT, downloads: Downloads | None = None
    ) -> None:
        self._client = client
        self._inline_limit = inline_limit
        self._downloads = downloads

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    def submit(
        self, spec: JobSpec, *, stdin: bytes, on_start: Callable[[], None] | None = None, descriptor: int = -1
    ) -> Future[Outcome]:
        """Queue a job."""
        return self._client.submit(
            spec, stdin=stdin, inline_limit=self._inline_limit, on_start=on_start, descriptor=descriptor
        )

    def cancel(self, future: Future[Outcome]) -> None:
        """Stop a job."""
        self._client.cancel(future)

    def find_image(self, reference: Reference) -> Future[RealisedImage]:
        """Have an image on this machine."""
        return self._client.find_image(reference)

    def with_store(self, work: Callable[[LayerStore], T]) -> Future[T]:
        """Have something done with the layers."""
        return self._client.with_store(work)

    def download_line(self) -> str | None:
        """Return how far the download of an image is."""
        return self._downloads.line() if self._downloads is not None else None

    def download_summary(self) -> str | None:
        """Return what is said of a download that is over."""
        return self._downloads.summary() if self._downloads is not None else None
