"""What is done in a run, one after the other, once there is an event loop: collect, choose, run, report.

`Course` has what the steps share; each of them is a method. What forks processes is in `program`, before the loop.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from maelstrom_core import log
from maelstrom_pytest import expressions, running, session
from maelstrom_pytest import plan as planning
from maelstrom_pytest.collection_cache import CollectionCache
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.coverage_report import CoverageOfJobs
from maelstrom_pytest.guessing import Guessing
from maelstrom_pytest.plan import Isolation, Plan
from maelstrom_pytest.plans import Call, other_plan
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Rules
from maelstrom_pytest.selecting import choose, likely
from maelstrom_pytest.session import Collection
from maelstrom_pytest.telling import Teller
from maelstrom_test_runner.affected import affected
from maelstrom_test_runner.history import History
from maelstrom_test_runner.runner import Runner
from maelstrom_test_runner.selecting import Chosen
from maelstrom_test_runner.summary import EXIT_FAILED, EXIT_NO_TESTS, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from maelstrom_pytest.debugging import Debugger
    from maelstrom_test_runner.runner import ImageRunner

PYTEST_NO_TESTS = 5


async def run_course(
    config: PytestConfig,
    call: Call,
    find_plan: Callable[[Runner], Awaitable[Plan]],
    teller: Teller,
    opened: AbstractAsyncContextManager[Runner],
) -> int:
    """Do the run and return its exit code. Raises MaelstromError."""
    # What is here stays, and so do results; cycles are rare. Looking for some at every 700 objects costs 2 %.
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    async with opened as runner:
        plan = await find_plan(runner)
        file = config.cache_root / "pytest-history" / f"{plan.name}.jsonl"
        with History(file, keep_seconds=call.selection.shard is not None) as history:
            course = Course(config, call, runner, teller, plan=plan, history=history)
            try:
                return await course.run()
            finally:
                course.tests.stop()


class Course:
    """The steps of a run."""

    def __init__(
        self, config: PytestConfig, call: Call, runner: Runner, teller: Teller, *, plan: Plan, history: History
    ) -> None:
        self._config = config
        self._call = call
        self._runner = runner
        self._teller = teller
        self._plan = plan
        self._history = history
        self._isolation = Isolation(config.isolation)
        self._coverage = CoverageOfJobs()
        self._rules = Rules(plan, call.file.directives, timeout=config.timeout)
        self.tests = running.Run(
            runner,
            plan,
            teller,
            isolation=self._isolation,
            history=history,
            slots=config.slots,
            rules=self._rules,
            retries=config.retries,
            slow_after=config.slow_after,
            likely=likely(call.selection, history),
            urgent=affected(call.first),
            hear=self._coverage.hear,
            show=config.show_output,
            debugger=self._debugger(),
        )

    def _debugger(self) -> Debugger | None:
        if not self._config.pdb:
            return None
        from maelstrom_pytest.debugging import Debugger

        return Debugger(
            self._runner,
            escape=self._config.escape_char,
            attached=self._teller.suspended,
            detached=self._teller.resumed,
        )

    async def run(self) -> int:
        """Do them all, or as many as are needed; return the exit code."""
        idle = self._call.listing or self._call.dry_run or self._config.show_output
        collection = await collect_tests(self._config, self._plan, self._runner, None if idle else self.tests)
        code = show_collection(collection, self._teller)
        if code is not None:
            return code
        chosen = choose(self._call.selection, collection.items, self._history, self._isolation)
        if self._call.listing:
            self._teller.message("\n".join(item.nodeid for item in chosen.items))
            return EXIT_OK
        if self._call.dry_run:
            return await self._print_jobs(chosen.items)
        items = self._announce(collection, chosen)
        fine = await self._run_tests(items, collection)
        return self._code(items, fine=fine and not collection.errors)

    def _announce(self, collection: Collection, chosen: Chosen[Item]) -> Sequence[Item]:
        """Tell which tests are going to run; return them."""
        for note in chosen.notes:
            self._teller.note(note)
        items = repeated(chosen.items, self._config.repeat, self._rules.ignored)
        deselected = collection.deselected + chosen.deselected
        log.info("tests collected", tests=len(items), errors=len(collection.errors))
        self._teller.collected(
            items,
            collection.skipped,
            collection.errors,
            deselected,
            self.tests.seconds,
            warned=collection.warned,
            shown=collection.configured.shown if collection.configured else "",
        )
        return items

    async def _run_tests(self, items: Sequence[Item], collection: Collection) -> bool:
        """Run them, and report what they covered; tell whether all is fine that is no test's verdict."""
        maxfail = collection.configured.maxfail if collection.configured else 0
        await self._have_plans(items)
        mismatches = await self.tests.finish(
            items, stop_after=self._config.stop_after or maxfail, verify=self._config.verify_templates
        )
        store = expressions.Store(Path(self._plan.expressions[0]))
        await expressions.compile_learned(self._runner, self._plan, self.tests.learned, store)
        covered = await self._coverage.report(
            self._runner, self._plan, self._teller.message, failed=self.tests.failures > 0
        )
        return covered and not mismatches

    def _code(self, items: Sequence[Item], *, fine: bool) -> int:
        code = self._teller.exit_code
        if not fine or (self._config.fail_flaky and self._teller.flaky):
            return code or EXIT_FAILED
        return EXIT_NO_TESTS if not items and self._call.selection.shard is None else code

    async def _print_jobs(self, items: Sequence[Item]) -> int:
        from maelstrom_pytest import dry_run

        await self._have_plans(items)
        layers = self._rules.layers()
        places = {}
        if layers:
            runner = cast("ImageRunner", self._runner)
            places = await runner.with_store(lambda store: dry_run.places(layers, store.find))
        for line in dry_run.stream(self._rules.ready(items), self._rules, places):
            self._teller.message(line)
        return EXIT_OK

    async def _have_plans(self, items: Sequence[Item]) -> None:
        """Have the images ready that only some tests run in."""
        for image in self._rules.missing(items):
            plan = await other_plan(self._config, self._call, self._runner, self._teller, plan=self._plan, image=image)
            self._rules.add(plan)


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


async def collect_tests(config: PytestConfig, plan: Plan, runner: Runner, tests: running.Run | None) -> Collection:
    """Return what there is; until that is known, begin with what there probably will be."""
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


def show_collection(collection: Collection, ui: Teller) -> int | None:
    """Print what pytest printed if that was all; return the exit code then, None if tests are to be run."""
    configured = collection.configured
    only_words = configured is None or configured.collect_only
    if not only_words and not collection.broken:
        return None
    ui.message(collection.output.decode(errors="replace"))
    ui.message(collection.error_output.decode(errors="replace"))
    ui.collection_broke(collection.skipped, collection.errors)
    if collection.status == PYTEST_NO_TESTS:
        return EXIT_NO_TESTS
    return EXIT_USAGE if collection.status or collection.broken else EXIT_OK
