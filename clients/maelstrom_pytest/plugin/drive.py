"""The run of a session's tests, turned by hand: verdicts come one by one, and between them the event loop stands still.

So hooks of pytest are called outside of it, and may do whatever they do in any session, running event loops included.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from maelstrom_pytest import expressions
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.covered import Combined
from maelstrom_pytest.plan import Isolation, Plan
from maelstrom_pytest.records import Covered, Item, JUnitNotes, Transcript, Warned
from maelstrom_pytest.running import Run
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.history import History
from maelstrom_test_runner.runner import Runner

Note = Warned | JUnitNotes
Told = tuple[Item, Verdict, tuple[Note, ...]]
Key = tuple[str, int]


class Drive:
    """Runs tests, in a `with` block; at its end everything that it started is gone. Is told as a `running.Listener`."""

    def __init__(self, config: PytestConfig, plan: Plan, opened: AbstractAsyncContextManager[Runner]) -> None:
        self.notes: list[str] = []
        self.covered = Combined()
        self._config = config
        self._plan = plan
        self._opened = opened
        self._loop = asyncio.SelectorEventLoop()
        self._history = History(config.cache_root / "pytest-history" / f"{plan.name}.jsonl")
        self._told: deque[Told] = deque()
        self._noted: dict[Key, tuple[Note, ...]] = {}
        self._news: asyncio.Event | None = None
        self._run: Run
        self._runner: Runner

    def __enter__(self) -> Self:
        try:
            self._runner = self._loop.run_until_complete(self._opened.__aenter__())
        except BaseException:
            self._loop.close()
            raise
        self._history.__enter__()
        self._run = Run(
            self._runner,
            self._plan,
            self,
            isolation=Isolation(self._config.isolation),
            history=self._history,
            slots=self._config.slots,
            hear=self._hear,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._run.stop()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(self._opened.__aexit__(kind, error, traceback))
        finally:
            self._history.__exit__(kind, error, traceback)
            self._loop.close()

    def verdicts(self, items: Sequence[Item]) -> Iterator[Told]:
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
