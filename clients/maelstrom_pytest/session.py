"""The first job of a run collects the tests.

This module knows neither containers nor terminals. What is done with the tests: see `running`.
"""

from __future__ import annotations

import contextlib
from asyncio import Future
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import (
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
from maelstrom_test_runner.runner import Runner


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
