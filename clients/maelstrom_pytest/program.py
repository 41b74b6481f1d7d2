"""The course of a run, from its configuration to the exit code.

Processes are forked before there is an event loop: asyncio, and what imports it, is imported only then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, cast

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_pytest.config import PROGRAM, PytestConfig
from maelstrom_pytest.plan import GUEST_MOUNT_POINT, Plan
from maelstrom_pytest.plans import Call, in_image, make_image_plan, make_plan
from maelstrom_pytest.rules import base_image
from maelstrom_pytest.telling import Teller
from maelstrom_test_runner import opening
from maelstrom_test_runner.outlets import needs_cases
from maelstrom_test_runner.stream import EventStream
from maelstrom_test_runner.told import Beginning, tell_run, told_time

if TYPE_CHECKING:
    from maelstrom_test_runner.outlets import Screen
    from maelstrom_test_runner.runner import ImageRunner, Runner
    from maelstrom_worker.nursery import Nursery

PYTEST_NO_TESTS = 5


class OpenRunner(Protocol):
    """Called with the directory of the run before there is an event loop: what is to be forked is forked here."""

    def __call__(
        self, config: PytestConfig, directory: Path, /, *, note: Callable[[str], object] | None
    ) -> AbstractAsyncContextManager[Runner]:
        """Return a runner; `note` is told what a user may want to know of a cluster. Raises HostError."""
        ...


def open_runner(
    config: PytestConfig,
    directory: Path,
    nursery: Nursery | None = None,
    *,
    note: Callable[[str], object] | None = None,
) -> AbstractAsyncContextManager[Runner]:
    """Return a runner of containers; the nursery is forked if there is none. Raises HostError."""
    downloads = config.image is not None and config.progress
    return opening.open_runner(config, directory, nursery, note=note, downloads=downloads)


def run(
    config: PytestConfig,
    call: Call,
    stream: TextIO,
    *,
    open_runner: OpenRunner = open_runner,
    mount_point: str = GUEST_MOUNT_POINT,
) -> int:
    """Do a run and return the exit code; ^C ends it with a summary. Raises MaelstromError."""
    config = in_image(config, base_image(call.file.directives, config.image))
    if "--pdb" in call.arguments:  # pytest's, behind `--`: meant as ours, since a test has no terminal else
        config = PytestConfig(**{**config.values, "pdb": True})
    if config.pdb:
        _check_pdb(config)
    if config.show_output:  # pytest's capture would keep it
        call = msgspec.structs.replace(call, arguments=("-s", *call.arguments))

    def body(told: EventStream, screen: Screen) -> int:
        return _run_all(config, call, told, screen=screen, open_runner=open_runner, mount_point=mount_point)

    begun = Beginning(PROGRAM.name, "pytest", str(call.directory), call.arguments)
    return tell_run(config, begun, stream, call.environment, body)


def _check_pdb(config: PytestConfig) -> None:
    """Raise UserError unless somebody can type and read, and nothing else is to be shown meanwhile."""
    for descriptor, name in ((0, "standard input"), (1, "standard output")):
        if not os.isatty(descriptor):
            raise UserError(
                f"failed to offer pdb for tests that fail: {name} is no terminal",
                hint="call it on a terminal, or leave out --pdb",
            )
    if config.show_output:
        raise UserError("--pdb and --show-output exclude each other: a test with pdb has the terminal for itself")


def _run_all(
    config: PytestConfig,
    call: Call,
    told: EventStream,
    *,
    screen: Screen,
    open_runner: OpenRunner,
    mount_point: str,
) -> int:
    teller = Teller(told, cases=needs_cases(config, call.environment))
    teller.busy("collecting the tests")
    if config.image is None:
        plan = make_plan(config, call, markup=screen.colour, width=screen.width, mount_point=mount_point)
    note = None if call.listing or call.dry_run else teller.note  # what is printed then is read by machines
    opening.import_asyncio(config)
    opened = open_runner(config, call.project, note=note)

    import asyncio

    from maelstrom_pytest.course import run_course

    async def find_plan(runner: Runner) -> Plan:
        if config.image is None:
            return plan
        ready = await make_image_plan(config, call, cast("ImageRunner", runner), teller, mount_point=mount_point)
        return msgspec.structs.replace(ready, markup=screen.colour, width=screen.width)

    async def run() -> int:
        with told_time(told, screen):
            return await run_course(config, call, find_plan, teller, opened)

    return asyncio.run(run())
