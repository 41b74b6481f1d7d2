"""What any runner tells of a run, as events: the part that is about no particular kind of test.

A runner's own teller says the rest: see `native_telling`. Decides nothing.
"""

from __future__ import annotations

from typing import Any

from maelstrom_core.job import Ran
from maelstrom_test_runner import events
from maelstrom_test_runner.status import Status
from maelstrom_test_runner.stream import EventStream


def where(ran: Ran | None) -> dict[str, Any]:
    """Return what `events.Finished` says of where on a cluster a test ran; nothing, if it ran on this machine."""
    return {} if ran is None else {"worker": ran.worker, "worker_attempt": ran.attempt}


class BaseTeller:
    """Turns what it is told into events of a stream."""

    def __init__(self, stream: EventStream) -> None:
        self._tell = stream.tell
        self._state = stream.state
        self._held: list[str] | None = None
        """Remarks that wait for the end of a test that has the terminal; None: none has."""

    @property
    def exit_code(self) -> int:
        """What the run ends with, as far as its tests decide."""
        return self._state.summary().exit_code

    @property
    def flaky(self) -> int:
        """How many tests failed at first and passed then."""
        return self._state.statuses[Status.FLAKY]

    def busy(self, text: str) -> None:
        """Say what is being done before tests run."""
        self._tell(events.Busy, text=text)

    def remark(self, text: str) -> None:
        """Say what was done before tests run."""
        self._tell(events.Remark, text=text)

    def message(self, text: str) -> None:
        """Pass on words of the native runner."""
        if text:
            self._tell(events.Message, text=text)

    def resumed(self) -> None:
        """Tell that the terminal is ours again."""
        self._tell(events.Resumed)
        held, self._held = self._held, None
        for text in held or ():
            self.note(text)

    def note(self, text: str) -> None:
        """Pass on a remark, which is no test's; when the terminal is ours."""
        if self._held is None:
            self._tell(events.Note, text=text)
        else:
            self._held.append(text)
