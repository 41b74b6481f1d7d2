"""The course of a run, from its configuration to the exit code.

Processes are forked before there is an event loop: asyncio, and what imports it, is imported only then.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import msgspec

from maelstrom_container.python_probe import PythonInfo, probe_python
from maelstrom_core import logs
from maelstrom_core.spec import Seccomp
from maelstrom_pytest import expressions, guest_files, interpreter
from maelstrom_pytest.config import PROGRAM, PytestConfig
from maelstrom_pytest.plan import GUEST_MOUNT_POINT, Isolation, Plan
from maelstrom_pytest.shown import find_root, shown_layers
from maelstrom_pytest.telling import Teller
from maelstrom_test_runner import events
from maelstrom_test_runner.outlets import open_outlets, screen_of
from maelstrom_test_runner.stream import EventStream
from maelstrom_test_runner.summary import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NO_TESTS, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from maelstrom_pytest.running import Run
    from maelstrom_pytest.session import Collection, ImageRunner, Runner
    from maelstrom_test_runner.outlets import Screen
    from maelstrom_worker.nursery import Nursery

PYTEST_NO_TESTS = 5
OpenRunner = Callable[[PytestConfig, Path], "AbstractAsyncContextManager[Runner]"]
"""Called with the directory of the run before there is an event loop: what is to be forked is forked here."""


class Call(msgspec.Struct, frozen=True):
    """How pytest was called."""

    directory: Path
    arguments: tuple[str, ...]
    """pytest's, selection included."""
    environment: Mapping[str, str]
    listing: bool = False
    """Print the node ids of the tests, run none."""


def open_runner(
    config: PytestConfig, directory: Path, nursery: Nursery | None = None
) -> AbstractAsyncContextManager[Runner]:
    """Return a runner of containers on this machine; the nursery is forked if there is none. Raises HostError."""
    from maelstrom_client import Client, start_nursery

    nursery = nursery or start_nursery()  # before anything of asyncio is imported

    from maelstrom_client.ready import options_of
    from maelstrom_pytest.session import ClientRunner

    downloads = None
    if config.image is not None and config.progress:
        from maelstrom_client.downloads import Downloads

        downloads = Downloads()
    options = options_of(config, directory, downloads)
    return ClientRunner(Client(nursery, options), inline_limit=config.inline_limit, downloads=downloads)


def run(
    config: PytestConfig,
    call: Call,
    stream: TextIO,
    *,
    open_runner: OpenRunner = open_runner,
    mount_point: str = GUEST_MOUNT_POINT,
) -> int:
    """Do a run and return the exit code; ^C ends it with a summary. Raises MaelstromError."""
    screen = screen_of(stream, call.environment)
    told = EventStream(time.monotonic, open_outlets(config, screen, call.environment))
    try:
        _begin(told, config, call)
        code = _run_all(config, call, told, screen=screen, open_runner=open_runner, mount_point=mount_point)
        told.tell(events.Ended, code=code)
    except KeyboardInterrupt:
        told.tell(events.Interrupted)
        told.tell(events.Ended, code=EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    else:
        return code
    finally:
        told.close()


def _begin(told: EventStream, config: PytestConfig, call: Call) -> None:
    import datetime as dt

    from maelstrom_core import __version__

    told.tell(
        events.Begun,
        runner=PROGRAM.name,
        native="pytest",
        version=__version__,
        directory=str(call.directory),
        arguments=call.arguments,
        slots=config.slots,
        time=dt.datetime.now(dt.UTC).isoformat(),
        host=os.uname().nodename,
    )


def _run_all(
    config: PytestConfig,
    call: Call,
    told: EventStream,
    *,
    screen: Screen,
    open_runner: OpenRunner,
    mount_point: str,
) -> int:
    teller = Teller(told)
    teller.busy("collecting the tests")
    if config.image is None:
        plan = make_plan(config, call, markup=screen.colour, width=screen.width, mount_point=mount_point)
    opened = open_runner(config, call.directory)

    import asyncio

    async def find_plan(runner: Runner) -> Plan:
        if config.image is None:
            return plan
        ready = await make_image_plan(config, call, cast("ImageRunner", runner), teller, mount_point=mount_point)
        return msgspec.structs.replace(ready, markup=screen.colour, width=screen.width)

    async def run() -> int:
        if not screen.terminal:
            return await _run(config, call, find_plan, teller, opened)
        from maelstrom_test_runner.ticking import ticking

        with ticking(told):
            return await _run(config, call, find_plan, teller, opened)

    return asyncio.run(run())


def make_plan(config: PytestConfig, call: Call, *, markup: bool, width: int, mount_point: str) -> Plan:
    """Find out what the jobs of a run have in common. Raises UserError and InfrastructureError."""

    def prober(executable: str) -> PythonInfo:
        # where the layer of the interpreter looks, too: it is asked once
        return probe_python(executable, cache_directory=config.cache_root / "python")

    root = find_root(call.directory)
    python = interpreter.choose(config.python, call.directory, root, call.environment, prober=prober)
    info = prober(python.executable)
    logs.info("interpreter chosen", python=python.executable)
    plan = Plan(
        interpreter=python,
        directory=str(call.directory),
        shown=shown_layers(call.directory, call.arguments, call.environment),
        arguments=call.arguments,
        guest=str(guest_files.stage(config.cache_root, python, mount_point)),
        environment=call.environment,
        timeout=config.timeout or None,
        markup=markup,
        width=width,
        mount_point=mount_point,
        installed=(*info.path, *info.site_packages),
        templates=config.template,
        seccomp=Seccomp.DEFAULT if config.seccomp else Seccomp.OFF,
        memory=config.memory,
    )
    return _with_expressions(config, plan)


async def make_image_plan(
    config: PytestConfig, call: Call, runner: ImageRunner, ui: Teller, *, mount_point: str = GUEST_MOUNT_POINT
) -> Plan:
    """Have an image, and in it the project's requirements, on this machine; return the plan of a run in it.

    Raises UserError and InfrastructureError.
    """
    from maelstrom_pytest import image_build
    from maelstrom_pytest.requirements import find_requirements

    assert config.image is not None  # noqa: S101 - for the type checker
    root = find_root(call.directory)
    shown = shown_layers(call.directory, call.arguments, {}, already=())
    wanted = image_build.Wanted(
        image=config.image,
        python=config.python or "python3",
        find=partial(find_requirements, call.directory, root, config.requirements),
        options=config.pip_options,
        directory=str(call.directory),
        shown=shown,
        environment=dict(call.environment),
        cache_root=config.cache_root,
    )
    place, python, guest = await image_build.make_ready(runner, wanted, mount_point, ui.busy, ui.remark)
    plan = Plan(
        interpreter=python,
        directory=str(call.directory),
        shown=shown,
        arguments=call.arguments,
        guest=str(guest),
        environment=call.environment,
        timeout=config.timeout or None,
        mount_point=mount_point,
        templates=config.template,
        seccomp=Seccomp.DEFAULT if config.seccomp else Seccomp.OFF,
        memory=config.memory,
        image=place,
    )
    ui.busy("collecting the tests")
    return _with_expressions(config, plan)


def _with_expressions(config: PytestConfig, plan: Plan) -> Plan:
    store = expressions.Store(config.cache_root / "pytest-expressions" / plan.name)
    return msgspec.structs.replace(plan, expressions=(str(store.directory), store.files()))


async def _run(
    config: PytestConfig,
    call: Call,
    find_plan: Callable[[Runner], Awaitable[Plan]],
    teller: Teller,
    opened: AbstractAsyncContextManager[Runner],
) -> int:
    from maelstrom_pytest import running
    from maelstrom_test_runner.history import History

    # What is here stays, and so do results; cycles are rare. Looking for some at every 700 objects costs 2 %.
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    async with opened as runner:
        plan = await find_plan(runner)
        with History(config.cache_root / "pytest-history" / f"{plan.name}.jsonl") as history:
            isolation = Isolation(config.isolation)
            tests = running.Run(runner, plan, teller, isolation=isolation, history=history, slots=config.slots)
            try:
                collection = await _collect(config, plan, runner, None if call.listing else tests)
                code = _show_collection(collection, teller)
                if code is not None:
                    return code
                if call.listing:
                    teller.message("\n".join(item.nodeid for item in collection.items))
                    return EXIT_OK
                logs.info("tests collected", tests=len(collection.items), errors=len(collection.errors))
                teller.collected(
                    collection.items, collection.skipped, collection.errors, collection.deselected, tests.seconds
                )
                maxfail = collection.configured.maxfail if collection.configured else 0
                stop_after = config.stop_after or maxfail
                mismatches = await tests.finish(collection.items, stop_after=stop_after, verify=config.verify_templates)
                store = expressions.Store(Path(plan.expressions[0]))
                await expressions.compile_learned(runner, plan, tests.learned, store)
            finally:
                tests.stop()
    code = teller.exit_code
    if collection.errors or mismatches:
        return code or EXIT_FAILED
    return code if collection.items else EXIT_NO_TESTS


def collect_alone(config: PytestConfig, call: Call, plan: Plan) -> Collection:
    """Collect the tests, and run none. Raises MaelstromError."""
    opened = open_runner(config, call.directory)

    import asyncio

    async def collect() -> Collection:
        async with opened as runner:
            return await _collect(config, plan, runner, None)

    return asyncio.run(collect())


async def _collect(config: PytestConfig, plan: Plan, runner: Runner, tests: Run | None) -> Collection:
    """Return what there is; until that is known, begin with what there probably will be."""
    from maelstrom_pytest import session
    from maelstrom_pytest.collection_cache import CollectionCache
    from maelstrom_pytest.guessing import Guessing

    cache = CollectionCache(config.cache_root / "pytest-collections", plan) if config.collection_cache else None
    known = cache.load() if cache is not None else None
    if known is not None:
        return known
    guessing = None if tests is None else Guessing(tests, cache.last() if cache is not None else None)
    collection = await session.collect(runner, plan, guessing, pipes=config.cache_root / "pytest-early")
    if cache is not None:
        cache.store(collection)
    return collection


def _show_collection(collection: Collection, ui: Teller) -> int | None:
    """Print what pytest printed if that was all; return the exit code then, None if tests are to be run."""
    configured = collection.configured
    only_words = configured is None or configured.collect_only
    if not only_words and not collection.broken:
        return None
    ui.message(collection.output.decode(errors="replace"))
    ui.message(collection.error_output.decode(errors="replace"))
    if collection.status == PYTEST_NO_TESTS:
        return EXIT_NO_TESTS
    return EXIT_USAGE if collection.status or collection.broken else EXIT_OK
