"""Who is told what happens to the tests of a run: the interface only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maelstrom_pytest.records import Item
from maelstrom_pytest.verdict import Verdict


class Listener(Protocol):
    """Is told what happens to the tests of a run."""

    def started(self, items: Sequence[Item]) -> None:
        """Take note of a job with these tests, which begins."""
        ...

    def finished(self, item: Item, verdict: Verdict) -> None:
        """Take note of a test's verdict."""
        ...

    def requeued(self, items: Sequence[Item]) -> None:
        """Take note that a job ended without these tests; they will be started again."""
        ...

    def wrote(self, items: Sequence[Item], stream: str, text: str) -> None:
        """Take note of what a job with these tests has written; only where that is shown as it comes."""
        ...

    def suspended(self, item: Item) -> None:
        """Take note that a test has the terminal."""
        ...

    def resumed(self) -> None:
        """Take note that it has it no more."""
        ...

    def note(self, text: str) -> None:
        """Take note of something that is worth a line."""
        ...
