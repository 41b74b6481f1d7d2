"""`--shell TEST` of a native runner: build, find the test, and be a shell in its container; see `shells`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from maelstrom_test_runner import shells
from maelstrom_test_runner.config import RunnerConfig
from maelstrom_test_runner.filters import selects
from maelstrom_test_runner.native import Case, NativeRunner
from maelstrom_test_runner.native_call import NativeCall
from maelstrom_test_runner.opening import open_runner

if TYPE_CHECKING:
    from maelstrom_test_runner.runner import Runner
    from maelstrom_worker.nursery import Nursery


def run_shell(
    config: RunnerConfig,
    call: NativeCall,
    test: str,
    make: Callable[[], NativeRunner],
    *,
    program: str,
    nursery: Nursery | None,
) -> int:
    """Find the test among those of the call, and be its shell; return the exit code. Raises MaelstromError."""
    from maelstrom_client.terminal import check_terminals

    check_terminals()

    from maelstrom_client import SingleJob, start_nursery
    from maelstrom_client.ready import options_of

    here = shells.on_this_machine(config)
    nursery = nursery or start_nursery()  # that of the shell; the one of the search is gone by then
    with SingleJob(nursery, options_of(here, call.project, None)) as single:
        return shells.open_shell(config, single, _find(here, call, test, make), program=program)


def _find(config: RunnerConfig, call: NativeCall, test: str, make: Callable[[], NativeRunner]) -> shells.Place:
    opened = open_runner(config, call.project)
    native = make()

    import asyncio

    waiting = shells.Waiting()
    try:
        cases = asyncio.run(_cases(native, call, waiting, opened))
    finally:
        waiting.close()
    case = shells.only_one(
        [case for case in cases if matches(case, test)], test, lambda case: case.name, hint="`--list` names them"
    )
    spec = native.job(case, call.file.directives.treatment(case.facts))
    return shells.Place(case.name, spec.container, shlex.join([spec.program, *spec.arguments]))


def matches(case: Case, test: str) -> bool:
    """Tell whether a test is called so, or its name ends so."""
    return case.name == test or case.name.endswith((f" {test}", f"::{test}"))


async def _cases(
    native: NativeRunner, call: NativeCall, waiting: shells.Waiting, opened: AbstractAsyncContextManager[Runner]
) -> Sequence[Case]:
    async with opened as runner:
        found = _Found(waiting)
        await native.find(found, runner)
        selection = call.selection
        return [case for case in found.all if selects(selection.include, selection.exclude, case.facts) is not False]


class _Found:
    """Is told what a runner finds: a `native.Found`."""

    def __init__(self, waiting: shells.Waiting) -> None:
        self.all: list[Case] = []
        self._waiting = waiting
        self.busy = waiting.busy
        self.message = waiting.remark

    def cases(self, cases: Sequence[Case]) -> None:
        """Take note of tests."""
        self.all += cases

    def broken(self, name: str, text: str) -> None:
        """Say what is wrong with what could not be built; the test may be elsewhere."""
        self._waiting.remark(text or name)

    def note(self, text: str) -> None:
        """Say it."""
        self._waiting.remark(f"note: {text}")
