"""A run: collect in one job, run the tests in many, tell a listener what becomes of each.

Jobs go through a `Runner`; this module knows neither containers nor terminals. A test is told about exactly once. Jobs
that die in the middle cost the test that was running, the others are run again (`verdict.judge_job`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, Self

import msgspec

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import (
    DEFAULT_INLINE_LIMIT,
    Cancelled,
    ExecutionError,
    Exited,
    Outcome,
    Signaled,
    SystemFailure,
    TimedOut,
)
from maelstrom_core.spec import JobSpec
from maelstrom_pytest import plan as planning
from maelstrom_pytest.plan import Isolation, Plan
from maelstrom_pytest.records import (
    CollectError,
    CollectSkipped,
    Configured,
    Ended,
    InternalError,
    Interrupted,
    Item,
    SessionEnd,
    parse,
)
from maelstrom_pytest.verdict import Verdict, how_it_ended, judge_job


class Runner(Protocol):
    """Runs jobs, as many at once as it sees fit."""

    async def run(self, spec: JobSpec, *, stdin: bytes) -> Outcome:
        """Return what became of a job; stops it if the caller is cancelled."""
        ...


class Library(Protocol):
    """The part of the client library that is needed here."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> None: ...

    def submit(self, spec: JobSpec, *, stdin: bytes = b"", inline_limit: int = ...) -> asyncio.Future[Outcome]:
        """Queue a job."""
        ...


class ClientRunner(AbstractAsyncContextManager["ClientRunner"]):
    """A runner on top of the client library, for an `async with` block."""

    def __init__(self, client: Library, *, inline_limit: int = DEFAULT_INLINE_LIMIT) -> None:
        self._client = client
        self._inline_limit = inline_limit

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    async def run(self, spec: JobSpec, *, stdin: bytes) -> Outcome:
        """Return what became of a job."""
        return await self._client.submit(spec, stdin=stdin, inline_limit=self._inline_limit)


class Listener(Protocol):
    """Is told what happens to the tests of a run."""

    def started(self, items: Sequence[Item]) -> None:
        """Take note of a job with these tests, handed to the runner."""
        ...

    def finished(self, item: Item, verdict: Verdict) -> None:
        """Take note of a test's verdict."""
        ...

    def requeued(self, items: Sequence[Item]) -> None:
        """Take note that a job ended without these tests; they will be started again."""
        ...


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


async def collect(runner: Runner, plan: Plan) -> Collection:
    """Collect the tests; raises SpecError, InfrastructureError, or UserError if pytest did not survive it."""
    shared = planning.container(plan)
    spec = planning.job(plan, shared, timeout=None)
    outcome = await runner.run(spec, stdin=planning.collect_request(plan))
    match outcome:
        case ExecutionError(message, hint):
            raise SpecError(f"failed to start pytest for collection: {message}", hint=hint)
        case SystemFailure(message, hint):
            raise InfrastructureError(f"failed to collect the tests: {message}", hint=hint)
        case Cancelled():
            raise InfrastructureError("failed to collect the tests: the job was cancelled")
        case Exited(effects=effects) | Signaled(effects=effects) | TimedOut(effects=effects):
            pass
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
    )


class _Work(msgspec.Struct, frozen=True):
    items: tuple[Item, ...]
    prune: bool = True


async def run(
    runner: Runner,
    plan: Plan,
    items: Sequence[Item],
    listener: Listener,
    *,
    isolation: Isolation = Isolation.TEST,
    concurrency: int = 1,
    stop_after: int = 0,
) -> None:
    """Run the tests, `concurrency` jobs at a time; stops early after `stop_after` failures (0: never).

    Raises what the runner raises.
    """
    state = _Run(runner, plan, listener, stop_after)
    state.queue.extend(_Work(members) for members in planning.group(items, isolation))
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(concurrency, len(state.queue))):
                tasks.create_task(state.work())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


class _Run:
    """The state of a run: what waits, and how many have failed."""

    def __init__(self, runner: Runner, plan: Plan, listener: Listener, stop_after: int) -> None:
        self.queue: deque[_Work] = deque()
        self._runner = runner
        self._plan = plan
        self._container = planning.container(plan)
        self._listener = listener
        self._stop_after = stop_after
        self._failures = 0

    async def work(self) -> None:
        while self.queue and not self._stopped:
            await self._do(self.queue.popleft())

    @property
    def _stopped(self) -> bool:
        return bool(self._stop_after) and self._failures >= self._stop_after

    async def _do(self, work: _Work) -> None:
        self._listener.started(work.items)
        timeout = self._plan.timeout * len(work.items) if self._plan.timeout else None
        outcome = await self._runner.run(
            planning.job(self._plan, self._container, timeout=timeout),
            stdin=planning.run_request(self._plan, work.items, prune=work.prune),
        )
        result = outcome.effects.result if isinstance(outcome, Exited | Signaled | TimedOut) else None
        transcript = parse(result.data, result.lost) if result is not None else parse(b"")
        judged = judge_job(len(work.items), transcript, outcome, pruned=work.prune)
        for index, verdict in sorted(judged.verdicts.items()):
            if self._stopped:
                return
            self._failures += verdict.status.is_failure
            self._listener.finished(work.items[index], verdict)
        for indices, prune in ((judged.again, work.prune), (judged.unpruned, False)):
            if indices:
                items = tuple(work.items[index] for index in indices)
                self._listener.requeued(items)
                self.queue.append(_Work(items, prune))
