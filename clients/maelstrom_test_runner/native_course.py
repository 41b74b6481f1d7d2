"""What is done in a run of a native runner's tests: find, choose, run, report. The tests run while more are found.

What has to be known of all of them before any can be chosen, --last-failed and --shard, waits until all are found.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from maelstrom_core import log
from maelstrom_test_runner import selecting
from maelstrom_test_runner.affected import affected
from maelstrom_test_runner.config import RunnerConfig
from maelstrom_test_runner.history import History
from maelstrom_test_runner.native import Case, NativeRunner
from maelstrom_test_runner.native_call import NativeCall
from maelstrom_test_runner.native_running import NativeRun, Wishes
from maelstrom_test_runner.native_telling import NativeTeller
from maelstrom_test_runner.runner import Runner
from maelstrom_test_runner.selecting import Reader
from maelstrom_test_runner.summary import EXIT_FAILED, EXIT_NO_TESTS, EXIT_OK


async def run_course(
    config: RunnerConfig,
    call: NativeCall,
    native: NativeRunner,
    teller: NativeTeller,
    opened: AbstractAsyncContextManager[Runner],
    *,
    history: Path,
    shown: Callable[[str], str] = str,
) -> int:
    """Do the run and return its exit code; `shown` is that of the `Definition`. Raises MaelstromError."""
    # What is here stays, and so do results; cycles are rare. Looking for some at every 700 objects costs 2 %.
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    async with opened as runner:
        with History(history, keep_seconds=call.selection.shard is not None) as past:
            return await Course(config, call, native, teller, runner=runner, history=past, shown=shown).run()


class Course:
    """The steps of a run; and who is told what is found (`native.Found`)."""

    def __init__(
        self,
        config: RunnerConfig,
        call: NativeCall,
        native: NativeRunner,
        teller: NativeTeller,
        *,
        runner: Runner,
        history: History,
        shown: Callable[[str], str] = str,
    ) -> None:
        self._config = config
        self._call = call
        self._native = native
        self._teller = teller
        self._runner = runner
        self._count = 0
        self._fine = True
        self._held: list[Case] | None = [] if call.selection.needs_all or call.listing or call.dry_run else None
        """What was found, where it is chosen from when all is known."""
        wishes = Wishes(
            slots=config.slots,
            timeout=config.timeout,
            retries=config.retries,
            stop_after=config.stop_after,
            slow_after=config.slow_after,
            show=config.show_output,
            shown=shown,
            file_name=call.file_name,
        )
        urgent = affected(call.first)
        self._tests = NativeRun(
            runner,
            native,
            teller,
            call.file.directives,
            history=history,
            wishes=wishes,
            urgent=lambda case: urgent(case.file) or _inside(case, call.first),
        )
        self._reader: Reader[Case] = Reader(lambda case: case.facts, self._tests.past, lambda case: case.name)

    async def run(self) -> int:
        """Do them all, or as many as are needed; return the exit code."""
        finding = asyncio.ensure_future(self._find())
        running = asyncio.ensure_future(self._tests.wait())
        try:
            await asyncio.wait({finding, running}, return_when=asyncio.FIRST_COMPLETED)
            if finding.done():
                finding.result()
                await running
            else:
                running.result()  # enough has failed
        finally:
            self._tests.stop()
            for task in (finding, running):
                task.cancel()
            await asyncio.gather(finding, running, return_exceptions=True)
        return self._code()

    async def _find(self) -> None:
        await self._native.find(self, self._runner)
        self.busy("")
        if self._held is not None:
            held, self._held = self._held, None
            self._choose(held)
        elif not self._count:
            self._teller.collected((), (), 0)
        log.info("tests collected", tests=self._count)
        self._tests.end()

    def cases(self, cases: Sequence[Case]) -> None:
        """Take note of tests."""
        if self._held is not None:
            self._held += cases
        else:
            self._choose(cases)

    def broken(self, name: str, text: str) -> None:
        """Take note of something whose tests could not be had."""
        self._fine = False
        self._teller.broken(name, text)

    def busy(self, text: str) -> None:
        """Take note of what is being done."""
        self._teller.busy(text)

    def message(self, text: str) -> None:
        """Pass on words of the native runner."""
        self._teller.message(text)

    def note(self, text: str) -> None:
        """Take note of something that is worth a line."""
        self._teller.note(text)

    def _choose(self, cases: Sequence[Case]) -> None:
        """Choose from what is known, and go on with that."""
        chosen = selecting.choose(self._call.selection, cases, self._reader)
        self._count += len(chosen.items)
        if self._call.listing:
            self._teller.message("\n".join(case.name for case in chosen.items))
            return
        if self._call.dry_run:
            from maelstrom_test_runner.written_jobs import write_jobs

            specs = (self._tests.spec(case) for case in chosen.items if not self._tests.is_ignored(case))
            for line in write_jobs(specs, self._call.environment):
                self._teller.message(line)
            return
        for note in chosen.notes:
            self._teller.note(note)
        items = self._repeated([self._current(case) for case in chosen.items])
        pasts = [self._tests.past(case) for case in items if case.known is None]
        self._teller.collected(items, pasts, chosen.deselected)
        self._tests.add(items)

    def _current(self, case: Case) -> Case:
        """Return a test without the verdict of an earlier run where one since then was another."""
        if case.known is None or not selecting.has_failed(self._tests.past(case)):
            return case
        return msgspec.structs.replace(case, known=None)

    def _repeated(self, cases: Sequence[Case]) -> Sequence[Case]:
        """Return each test as often as it is to be run, all of them once before any again."""
        again = [case for case in cases if not self._tests.is_ignored(case)] if self._config.repeat > 1 else []
        return [
            *cases,
            *(
                msgspec.structs.replace(case, repetition=number)
                for number in range(1, self._config.repeat)
                for case in again
            ),
        ]

    def _code(self) -> int:
        if (self._call.listing or self._call.dry_run) and self._fine:
            return EXIT_OK
        code = self._teller.exit_code
        if not self._fine or (self._config.fail_flaky and self._teller.flaky):
            return code or EXIT_FAILED
        return EXIT_NO_TESTS if not self._count and self._call.selection.shard is None else code


def _inside(case: Case, changed: Sequence[str]) -> bool:
    return bool(case.directory) and any(path.startswith(f"{case.directory}/") for path in changed)
