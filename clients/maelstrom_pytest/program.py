"""The course of a run, from its configuration to the exit code.

Processes are forked before there is an event loop: asyncio, and what imports it, is imported only then.
"""

from __future__ import annotations

import datetime as dt
import gc
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import msgspec

from maelstrom_container.python_probe import PythonInfo, probe_python
from maelstrom_core.spec import Seccomp
from maelstrom_pytest import expressions, guest_files, interpreter
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.junit_cases import skipped_module
from maelstrom_pytest.plan import GUEST_MOUNT_POINT, Isolation, Plan
from maelstrom_pytest.report import JsonLines
from maelstrom_pytest.shown import find_root, shown_layers
from maelstrom_pytest.ui import SimpleUI
from maelstrom_test_runner import junit
from maelstrom_test_runner.summary import EXIT_INTERRUPTED, EXIT_NO_TESTS, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from maelstrom_pytest.running import Run
    from maelstrom_pytest.session import Collection, ImageRunner, Runner

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


def open_runner(config: PytestConfig, directory: Path) -> AbstractAsyncContextManager[Runner]:
    """Fork the nursery and return a runner of containers on this machine. Raises HostError."""
    from maelstrom_client import Client, ClientOptions, start_nursery

    nursery = start_nursery()  # before anything of asyncio is imported

    from maelstrom_pytest.session import ClientRunner

    downloads = None
    if config.image is not None and config.progress:
        from maelstrom_client.downloads import Downloads

        downloads = Downloads()
    options = ClientOptions(
        project_directory=directory,
        slots=config.slots,
        cache_root=config.cache_root,
        cache_size=config.cache_size,
        check_certificates=not config.accept_invalid_remote_container_tls_certs,
        update_images=config.update_image,
        watch_downloads=downloads,
    )
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
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns if terminal else 80
    colour = terminal and not call.environment.get("NO_COLOR")
    lines = JsonLines(config.report) if config.report else None
    ui = SimpleUI(stream, terminal=terminal, width=width, colour=colour, lines=lines, keep_cases=bool(config.junit_xml))
    report = _Report(ui, config.junit_xml)
    try:
        ui.busy("collecting the tests")
        if config.image is None:
            plan = make_plan(config, call, markup=colour, width=width, mount_point=mount_point)
        opened = open_runner(config, call.directory)

        import asyncio

        async def find_plan(runner: Runner) -> Plan:
            if config.image is None:
                return plan
            ready = await make_image_plan(config, call, cast("ImageRunner", runner), ui, mount_point=mount_point)
            return msgspec.structs.replace(ready, markup=colour, width=width)

        return asyncio.run(_run(config, call, find_plan, report, opened))
    except KeyboardInterrupt:
        ui.summary(interrupted=True)
        report.write()
        return EXIT_INTERRUPTED
    finally:
        ui.close()


def make_plan(config: PytestConfig, call: Call, *, markup: bool, width: int, mount_point: str) -> Plan:
    """Find out what the jobs of a run have in common. Raises UserError and InfrastructureError."""

    def prober(executable: str) -> PythonInfo:
        # where the layer of the interpreter looks, too: it is asked once
        return probe_python(executable, cache_directory=config.cache_root / "python")

    root = find_root(call.directory)
    python = interpreter.choose(config.python, call.directory, root, call.environment, prober=prober)
    info = prober(python.executable)
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
    )
    return _with_expressions(config, plan)


async def make_image_plan(
    config: PytestConfig, call: Call, runner: ImageRunner, ui: SimpleUI, *, mount_point: str = GUEST_MOUNT_POINT
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
        image=place,
    )
    ui.busy("collecting the tests")
    return _with_expressions(config, plan)


def _with_expressions(config: PytestConfig, plan: Plan) -> Plan:
    store = expressions.Store(config.cache_root / "pytest-expressions" / plan.name)
    return msgspec.structs.replace(plan, expressions=(str(store.directory), store.files()))


class _Report:
    """The JUnit report, written once, with what there is at that time."""

    def __init__(self, ui: SimpleUI, path: Path | None) -> None:
        self.ui = ui
        self._path = path
        self._begun = time.monotonic()
        self._timestamp = dt.datetime.now(dt.UTC).isoformat()
        self.skipped: list[junit.TestCase] = []

    def write(self) -> None:
        if self._path is None:
            return
        contents = junit.document(
            [*self.skipped, *self.ui.test_cases],
            suite="pytest",
            time=time.monotonic() - self._begun,
            timestamp=self._timestamp,
            hostname=os.uname().nodename,
        )
        junit.write(self._path, contents)


async def _run(
    config: PytestConfig,
    call: Call,
    find_plan: Callable[[Runner], Awaitable[Plan]],
    report: _Report,
    opened: AbstractAsyncContextManager[Runner],
) -> int:
    from maelstrom_pytest import running
    from maelstrom_pytest.coverage_report import CoverageOfJobs
    from maelstrom_test_runner.history import History

    # What is here stays, and so do results; cycles are rare. Looking for some at every 700 objects costs 2 %.
    gc.freeze()
    gc.set_threshold(50_000)
    ui = report.ui
    async with opened as runner:
        plan = await find_plan(runner)
        with History(config.cache_root / "pytest-history" / f"{plan.name}.jsonl") as history:
            isolation = Isolation(config.isolation)
            coverage = CoverageOfJobs()
            tests = running.Run(
                runner, plan, ui, isolation=isolation, history=history, slots=config.slots, hear=coverage.hear
            )
            try:
                collection = await _collect(config, plan, runner, None if call.listing else tests)
                code = _show_collection(collection, ui)
                if code is not None:
                    return code
                if call.listing:
                    ui.message("\n".join(item.nodeid for item in collection.items))
                    return EXIT_OK
                report.skipped = [skipped_module(record.nodeid, record.reason) for record in collection.skipped]
                ui.collected(len(collection.items), collection.skipped, collection.deselected, len(collection.errors))
                for error in collection.errors:
                    ui.collection_failed(error)
                maxfail = collection.configured.maxfail if collection.configured else 0
                stop_after = config.stop_after or maxfail
                mismatches = await tests.finish(collection.items, stop_after=stop_after, verify=config.verify_templates)
                store = expressions.Store(Path(plan.expressions[0]))
                await expressions.compile_learned(runner, plan, tests.learned, store)
                covered = await coverage.report(runner, plan, ui.message, failed=tests.failures > 0)
            finally:
                tests.stop()
    summary = ui.summary()
    report.write()
    if collection.errors or mismatches or not covered:
        return summary.exit_code or 1
    return EXIT_NO_TESTS if not collection.items else summary.exit_code


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


def _show_collection(collection: Collection, ui: SimpleUI) -> int | None:
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
