"""The jobs of a run go through a `Runner`; the first of them collects the tests.

This module knows neither containers nor terminals. What is done with the tests: see `running`.
"""

from __future__ import annotations

import contextlib
from asyncio import Future
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import msgspec

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import (
    DEFAULT_INLINE_LIMIT,
    Cancelled,
    Effects,
    ExecutionError,
    Exited,
    NotForked,
    Outcome,
    Signaled,
    SystemFailure,
    TimedOut,
)
from maelstrom_core.spec import JobSpec, Reference
from maelstrom_pytest import plan as planning
from maelstrom_pytest.early import EarlyItems
from maelstrom_pytest.plan import Plan
from maelstrom_pytest.records import (
    CollectError,
    CollectSkipped,
    Configured,
    Ended,
    InternalError,
    Interrupted,
    Item,
    SessionEnd,
    Warned,
    parse,
)
from maelstrom_pytest.verdict import how_it_ended

if TYPE_CHECKING:
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


class Collection(msgspec.Struct, frozen=True):
    """What pytest collected."""

    configured: Configured | None
    items: tuple[Item, ...]
    errors: tuple[CollectError, ...]
    skipped: tuple[CollectSkipped, ...]
    status: int
    """pytest's exit status."""
    deselected: int
    output: bytes
    """What pytest printed, and below it what it wrote to standard error."""
    error_output: bytes
    broken: bool
    """pytest was stopped, or failed, or could not collect everything and was not told to go on."""
    warned: tuple[Warned, ...] = ()


class Impatient(Protocol):
    """Does something with tests before all are collected. They may be deselected yet."""

    def begin(self) -> None:
        """Take note that pytest has been asked to collect."""
        ...

    def found(self, items: Sequence[Item]) -> None:
        """Take note of the tests of a file."""
        ...


async def collect(
    runner: Runner, plan: Plan, impatient: Impatient | None = None, *, pipes: Path | None = None
) -> Collection:
    """Collect the tests; raises SpecError, InfrastructureError, or UserError if pytest did not survive it.

    `pipes` is a directory for pipes through which `impatient` hears of tests.
    """
    if impatient is None:
        outcome = await _submit(runner, plan, None)
    else:
        with contextlib.ExitStack() as stack:
            early = None
            if pipes is not None:
                with contextlib.suppress(OSError):  # then all is known at the end only
                    early = stack.enter_context(EarlyItems(pipes, impatient.found))
            future = _submit(runner, plan, early)
            impatient.begin()
            outcome = await future
    match outcome:
        case NotForked(reason):
            raise InfrastructureError(f"failed to collect the tests: {reason}")
        case ExecutionError(message, hint):
            raise SpecError(f"failed to start pytest for collection: {message}", hint=hint)
        case SystemFailure(message, hint):
            raise InfrastructureError(f"failed to collect the tests: {message}", hint=hint)
        case Cancelled():
            raise InfrastructureError("failed to collect the tests: the job was cancelled")
        case Exited(effects=effects) | Signaled(effects=effects) | TimedOut(effects=effects):
            pass
    return _read_collection(effects, outcome)


def _submit(runner: Runner, plan: Plan, early: EarlyItems | None) -> Future[Outcome]:
    container = planning.with_early_items(planning.container(plan), early.directory if early else None)
    spec = msgspec.structs.replace(planning.job(plan, container, timeout=None), local=True)
    return runner.submit(spec, stdin=planning.collect_request(plan, early=early is not None))


def _read_collection(effects: Effects, outcome: Outcome) -> Collection:
    transcript = parse(effects.result.data, effects.result.lost)
    if transcript.garbage is not None:
        raise UserError(f"failed to collect the tests: something wrote {transcript.garbage} into the result channel")
    end: SessionEnd | None = transcript.last(SessionEnd)
    if end is None:
        text = (effects.stdout.data + effects.stderr.data).decode(errors="replace").rstrip()
        how = how_it_ended(transcript.last(Ended), outcome).replace("the test's process", "pytest")
        raise UserError(f"failed to collect the tests: {how}" + (f"\n{text}" if text else ""))
    configured: Configured | None = transcript.last(Configured)
    errors = tuple(transcript.all(CollectError))
    stopped = bool(transcript.all(InternalError) or transcript.all(Interrupted)) or end.status in {2, 3, 4}
    go_on = configured is not None and configured.continue_on_errors
    return Collection(
        configured=configured,
        items=tuple(transcript.all(Item)),
        errors=errors,
        skipped=tuple(transcript.all(CollectSkipped)),
        status=end.status,
        deselected=end.deselected,
        output=effects.stdout.data,
        error_output=effects.stderr.data,
        broken=stopped or (bool(errors) and not go_on),
        warned=tuple(transcript.all(Warned)),
    )
