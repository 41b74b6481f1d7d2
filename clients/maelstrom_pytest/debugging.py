"""--pdb: a test that failed is run once more, alone, in a container like its own, with pdb and with our terminal.

Which of the two runs counts is decided in `after_debugging`, pure; `Turns` says whose turn it is, and what waits for
its end; `Debugger` attaches the terminal. See docs/decisions/pdb.md.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from maelstrom_core.job import Outcome
from maelstrom_core.spec import JobSpec
from maelstrom_pytest.plan import terminal_job
from maelstrom_pytest.records import Asked, Interrupted, Item, Transcript
from maelstrom_pytest.verdict import Verdict, after_attempts
from maelstrom_pytest.works import Flight, Work
from maelstrom_test_runner.runner import Runner
from maelstrom_test_runner.status import Status

if TYPE_CHECKING:
    from maelstrom_client.terminal import TerminalSession

FIRST_OF_ALL = 1000
"""The priority of a job that somebody waits for at the terminal."""
DEBUGGED = frozenset({Status.FAILED, Status.ERROR, Status.TIMEOUT})
"""What pdb can say something about; a process that died would die again."""


def is_wanted(verdict: Verdict, transcript: Transcript, index: int, *, last: bool) -> bool:
    """Tell whether a test is to be run with pdb: it failed for good, in a way that can be looked at, or asked for it.

    `last`: it will not be tried again.
    """
    if verdict.infrastructure:
        return False
    return (last and verdict.status in DEBUGGED) or asked(transcript, index)


def asked(transcript: Transcript, index: int) -> bool:
    """Tell whether a test came to a breakpoint."""
    return any(record.item == index for record in transcript.all(Asked))


def has_quit(transcript: Transcript) -> bool:
    """Tell whether somebody left pdb by `quit`, which ends a session of pytest."""
    return any("Quitting debugger" in record.text for record in transcript.all(Interrupted))


def after_debugging(work: Work, again: Verdict | None, *, left: bool) -> Verdict:
    """Return what becomes of a test that was run twice: `again`, where it ended, and was not `left` in the middle.

    One that came to a breakpoint the first time has no verdict but the second. One that failed has failed, or is flaky.
    """
    first = work.debugged
    assert first is not None  # noqa: S101 - for the type checker
    if left and work.asked:
        return msgspec.structs.replace(first, detail="it was left at its breakpoint by `quit`", stderr=b"")
    if left or again is None or again.infrastructure:
        return first
    if work.asked:
        return again
    return first if again.status.is_failure else after_attempts(again, (first,))


class Turns:
    """Who is to have the terminal, who has it, and what has ended meanwhile, which is told afterwards."""

    def __init__(self) -> None:
        self.waiting: deque[Work] = deque()
        self.current: Flight | None = None
        self.attached = False
        """Whether the terminal is somebody's: nothing is told then."""
        self.late: list[tuple[Flight, asyncio.Future[Outcome]]] = []

    def begin(self, debugger: Debugger, on_start: Callable[[Flight], object]) -> tuple[asyncio.Future[Outcome], Flight]:
        """Give the terminal to the test that has waited for it for longest; `on_start` is called when it has it."""
        work = self.waiting.popleft()
        self.current = flight = Flight(work)

        def start() -> None:
            self.attached = True
            on_start(flight)

        site = work.site
        spec = terminal_job(site.plan, site.container, work.items, site.directory)
        return asyncio.ensure_future(debugger.run(spec, work.items[0], start)), flight

    def holds_back(self, flight: Flight, future: asyncio.Future[Outcome]) -> bool:
        """Keep a job that has ended for later, if the terminal is another's; tell whether it was."""
        if not self.attached or flight is self.current:
            return False
        self.late.append((flight, future))
        return True

    def end(self) -> list[tuple[Flight, asyncio.Future[Outcome]]]:
        """Give the terminal back; return what has ended meanwhile."""
        self.current, self.attached = None, False
        late, self.late = self.late, []
        return late


class Debugger:
    """Attaches jobs to the terminal; `attached` is called when one begins, `detached` when it has ended."""

    def __init__(
        self, runner: Runner, *, escape: int, attached: Callable[[Item], object], detached: Callable[[], object]
    ) -> None:
        self._runner = runner
        self._escape = escape
        self._attached = attached
        self._detached = detached

    async def run(self, spec: JobSpec, item: Item, on_start: Callable[[], object]) -> Outcome:
        """Run a job to its end on the terminal. Raises InfrastructureError, KeyboardInterrupt; ends us by a signal."""
        from maelstrom_client.terminal import TerminalSession, TerminatedError

        begun = False
        notice = f"maelstrom-pytest: once more with pdb: {item.nodeid}\nmaelstrom-pytest: the test has this terminal "

        try:
            with TerminalSession(escape=self._escape, notice=notice) as session:

                def start() -> None:
                    nonlocal begun
                    begun = True
                    on_start()
                    self._attached(item)
                    session.started()

                spec = msgspec.structs.replace(spec, allocate_tty=session.size, priority=FIRST_OF_ALL)
                outcome = await self._attend(session, spec, start)
            if session.unfinished:
                os.write(1, b"\n")
        except TerminatedError as terminated:
            os.kill(os.getpid(), terminated.signal)
            raise KeyboardInterrupt from None
        finally:
            if begun:
                self._detached()
        return outcome

    async def _attend(self, session: TerminalSession, spec: JobSpec, start: Callable[[], None]) -> Outcome:
        from maelstrom_client.terminal.in_asyncio import AsyncioLoop

        loop = AsyncioLoop()
        future = None
        try:
            descriptor = session.begin(loop)
            try:
                future = self._runner.submit(spec, stdin=b"", on_start=start, descriptor=descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            await asyncio.wait((future, loop.trouble), return_when=asyncio.FIRST_COMPLETED)
            if loop.trouble.done():
                loop.trouble.result()
            session.ended()
            while session.busy:
                await asyncio.wait((loop.trouble,), timeout=0.01)
                if loop.trouble.done():
                    loop.trouble.result()
            return future.result()
        finally:
            session.close()
            loop.close()
            if future is not None and not future.done():
                self._runner.cancel(future)
