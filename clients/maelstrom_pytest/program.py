"""The course of a run, from its configuration to the exit code.

Processes are forked before there is an event loop: asyncio, and what imports it, is imported only then.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import msgspec

from maelstrom_core import logs
from maelstrom_pytest import expressions
from maelstrom_pytest import plan as planning
from maelstrom_pytest.affected import affected
from maelstrom_pytest.config import PROGRAM, PytestConfig
from maelstrom_pytest.plan import GUEST_MOUNT_POINT, Isolation, Plan
from maelstrom_pytest.plans import Call, in_image, make_image_plan, make_plan, other_plan
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Rules, base_image
from maelstrom_pytest.selecting import choose, likely
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
    config = in_image(config, base_image(call.file.directives, config.image))
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
    teller = Teller(told, cases=config.report is not None or config.junit_xml is not None)
    teller.busy("collecting the tests")
    if config.image is None:
        plan = make_plan(config, call, markup=screen.colour, width=screen.width, mount_point=mount_point)
    opened = open_runner(config, call.project)

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


async def _run(
    config: PytestConfig,
    call: Call,
    find_plan: Callable[[Runner], Awaitable[Plan]],
    teller: Teller,
    opened: AbstractAsyncContextManager[Runner],
) -> int:
    from maelstrom_pytest import running
    from maelstrom_pytest.coverage_report import CoverageOfJobs
    from maelstrom_test_runner.history import History

    # What is here stays, and so do results; cycles are rare. Looking for some at every 700 objects costs 2 %.
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    async with opened as runner:
        plan = await find_plan(runner)
        file = config.cache_root / "pytest-history" / f"{plan.name}.jsonl"
        with History(file, keep_seconds=call.selection.shard is not None) as history:
            isolation = Isolation(config.isolation)
            coverage = CoverageOfJobs()
            rules = Rules(plan, call.file.directives, timeout=config.timeout)
            tests = running.Run(
                runner,
                plan,
                teller,
                isolation=isolation,
                history=history,
                slots=config.slots,
                rules=rules,
                retries=config.retries,
                slow_after=config.slow_after,
                likely=likely(call.selection, history),
                urgent=affected(call.first),
                hear=coverage.hear,
            )
            try:
                idle = call.listing or call.dry_run
                collection = await _collect(config, plan, runner, None if idle else tests)
                code = _show_collection(collection, teller)
                if code is not None:
                    return code
                chosen = choose(call.selection, collection.items, history, isolation)
                if call.listing:
                    teller.message("\n".join(item.nodeid for item in chosen.items))
                    return EXIT_OK
                if call.dry_run:
                    return await _print_jobs(config, call, runner, teller, plan=plan, rules=rules, items=chosen.items)
                for note in chosen.notes:
                    teller.note(note)
                items = repeated(chosen.items, config.repeat, rules.ignored)
                deselected = collection.deselected + chosen.deselected
                logs.info("tests collected", tests=len(items), errors=len(collection.errors))
                teller.collected(items, collection.skipped, collection.errors, deselected, tests.seconds)
                maxfail = collection.configured.maxfail if collection.configured else 0
                stop_after = config.stop_after or maxfail
                for image in rules.missing(items):
                    rules.add(await other_plan(config, call, runner, teller, plan=plan, image=image))
                mismatches = await tests.finish(items, stop_after=stop_after, verify=config.verify_templates)
                store = expressions.Store(Path(plan.expressions[0]))
                await expressions.compile_learned(runner, plan, tests.learned, store)
                covered = await coverage.report(runner, plan, teller.message, failed=tests.failures > 0)
            finally:
                tests.stop()
    code = teller.exit_code
    if collection.errors or mismatches or not covered or (config.fail_flaky and teller.flaky):
        return code or EXIT_FAILED
    nothing = not items and call.selection.shard is None
    return EXIT_NO_TESTS if nothing else code


def repeated(items: Sequence[Item], times: int, ignored: Callable[[Item], bool]) -> Sequence[Item]:
    """Return each of some tests so many times, all of them once before any again; those that are not run once."""
    if times == 1:
        return items
    return [
        msgspec.structs.replace(item, repetition=number)
        for number in range(times)
        for item in items
        if not number or not ignored(item)
    ]


async def _print_jobs(
    config: PytestConfig,
    call: Call,
    runner: Runner,
    teller: Teller,
    *,
    plan: Plan,
    rules: Rules,
    items: Sequence[Item],
) -> int:
    from maelstrom_pytest import dry_run

    for image in rules.missing(items):
        rules.add(await other_plan(config, call, runner, teller, plan=plan, image=image))
    for line in dry_run.stream(rules.ready(items), rules):
        teller.message(line)
    return EXIT_OK


def collect_alone(config: PytestConfig, call: Call, plan: Plan) -> Collection:
    """Collect the tests, and run none. Raises MaelstromError."""
    opened = open_runner(config, call.project)

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

    # what else may be collected from is not looked through
    wanted = config.collection_cache and not planning.shows_more(plan)
    cache = CollectionCache(config.cache_root / "pytest-collections", plan) if wanted else None
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
