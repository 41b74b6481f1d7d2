"""The run of a session's tests, turned by hand: verdicts come one by one, and between them the event loop stands still.

So hooks of pytest are called outside of it, and may do whatever they do in any session, running event loops included.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from maelstrom_pytest import expressions
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.covered import Combined
from maelstrom_pytest.plan import Isolation, Plan
from maelstrom_pytest.plans import Call, Told, other_plan
from maelstrom_pytest.records import Covered, Item, JUnitNotes, Transcript, Warned
from maelstrom_pytest.rules import Rules
from maelstrom_pytest.running import Run
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.history import History
from maelstrom_test_runner.runner import Runner

Note = Warned | JUnitNotes
Ended = tuple[Item, Verdict, tuple[Note, ...]]
FindPlan = Callable[[Runner], Awaitable[Plan]]
Key = tuple[str, int]


class Drive:
    """Runs tests, in a `with` block; at its end everything that it started is gone. Is told as a `running.Listener`."""

    def __init__(
        self,
        config: PytestConfig,
        call: Call,
        find_plan: FindPlan,
        told: Told,
        opened: AbstractAsyncContextManager[Runner],
    ) -> None:
        """Drive the tests of a call. `find_plan` finds the plan of most of them, `told` is told what that takes."""
        self.notes: list[str] = []
        self.covered = Combined()
        self._config = config
        self._call = call
        self._find_plan = find_plan
        self._words = told
        self._opened = opened
        self._loop = asyncio.SelectorEventLoop()
        self._told: deque[Ended] = deque()
        self._noted: dict[Key, tuple[Note, ...]] = {}
        self._news: asyncio.Event | None = None
        self._plan: Plan
        self._history: History
        self._run: Run
        self._runner: Runner

    def __enter__(self) -> Self:
        try:
            self._runner = self._loop.run_until_complete(self._opened.__aenter__())
        except BaseException:
            self._loop.close()
            raise
        try:
            self._prepare()
        except BaseException as error:
            self._end(type(error), error, error.__traceback__)
            raise
        return self

    def _prepare(self) -> None:
        config = self._config
        self._plan = self._loop.run_until_complete(self._find_plan(self._runner))
        self._history = History(config.cache_root / "pytest-history" / f"{self._plan.name}.jsonl")
        self._run = Run(
            self._runner,
            self._plan,
            self,
            isolation=Isolation(config.isolation),
            history=self._history,
            slots=config.slots,
            rules=Rules(self._plan, self._call.file.directives, timeout=config.timeout),
            hear=self._hear,
        )
        self._history.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._run.stop()
        finally:
            try:
                self._end(kind, error, traceback)
            finally:
                self._history.__exit__(kind, error, traceback)

    def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if tasks := asyncio.all_tasks(self._loop):
                for task in tasks:
                    task.cancel()
                self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._opened.__aexit__(kind, error, traceback))
        finally:
            self._loop.close()

    def verdicts(self, items: Sequence[Item]) -> Iterator[Ended]:
        """Run the tests; yield what became of each as it is known. Raises MaelstromError."""
        whole = self._loop.create_task(self._whole(items))
        while True:
            while self._told:
                yield self._told.popleft()
            if whole.done():
                whole.result()
                return
            self._loop.run_until_complete(self._wait(whole))

    async def _whole(self, items: Sequence[Item]) -> None:
        rules = self._run.rules
        for image in rules.missing(items):
            rules.add(
                await other_plan(self._config, self._call, self._runner, self._words, plan=self._plan, image=image)
            )
        self._words.busy("")
        await self._run.finish(items)
        store = expressions.Store(self._config.cache_root / "pytest-expressions" / self._plan.name)
        await expressions.compile_learned(self._runner, self._plan, self._run.learned, store)

    async def _wait(self, whole: asyncio.Task[None]) -> None:
        """Return when there is something to tell, or nothing more will come."""
        self._news = asyncio.Event()
        whole.add_done_callback(self._ring)
        try:
            await self._news.wait()
        finally:
            whole.remove_done_callback(self._ring)
            self._news = None

    def _ring(self, _done: object = None) -> None:
        if self._news is not None:
            self._news.set()

    def _hear(self, items: Sequence[Item], transcript: Transcript) -> None:
        noted: list[list[Note]] = [[] for _ in items]
        for record in transcript.records:
            if isinstance(record, Covered):
                self.covered.add(record)
            elif isinstance(record, Note) and 0 <= record.item < len(items):
                noted[record.item].append(record)
        for item, records in zip(items, noted, strict=True):
            self._noted[item.nodeid, item.occurrence] = tuple(records)

    def started(self, items: Sequence[Item]) -> None:
        """Nothing: pytest is told of a test when it is over."""

    def wrote(self, items: Sequence[Item], stream: str, text: str) -> None:
        """Nothing: pytest shows what tests wrote when they are over."""

    def suspended(self, item: Item) -> None:
        """Nothing: no test gets a terminal."""

    def resumed(self) -> None:
        """Nothing."""

    def requeued(self, items: Sequence[Item]) -> None:
        """Nothing: the tests will come again."""

    def note(self, text: str) -> None:
        """Keep a remark for the end of the session."""
        self.notes.append(text)

    def finished(self, item: Item, verdict: Verdict) -> None:
        """Have a verdict told."""
        noted = self._noted.pop((item.nodeid, item.occurrence), ())
        self._told.append((item, verdict, noted))
        self._ring()
