"""Has downloads end early: whoever waits for a network must not be waited for.

Imports nothing of the project but the errors.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

from maelstrom_core.errors import InfrastructureError


class Stoppable(Protocol):
    """An answer that is being read; `shutdown` has the reader see its end."""

    def shutdown(self) -> None:
        """Stop reading, from another thread."""


class Stop:
    """Whether to go on; shared by all who download for one client."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._mutex = threading.Lock()
        self._reading: set[Stoppable] = set()

    def set(self) -> None:
        """Have everybody stop, those who wait for data included."""
        with self._mutex:
            self._event.set()
            for answer in self._reading:
                with contextlib.suppress(Exception):  # it may have just ended, or never begun
                    answer.shutdown()

    def check(self) -> None:
        """Raise InfrastructureError if everybody is to stop."""
        if self._event.is_set():
            raise InfrastructureError("the download was stopped")

    def wait(self, seconds: float) -> None:
        """Wait, not beyond the moment when everybody is to stop; raises then."""
        self._event.wait(seconds)
        self.check()

    @contextlib.contextmanager
    def reading(self, answer: Stoppable) -> Iterator[None]:
        """Have `set` end the reading of an answer, for a `with` block."""
        with self._mutex:
            self.check()
            self._reading.add(answer)
        try:
            yield
        finally:
            with self._mutex:
                self._reading.discard(answer)
