"""Which tests to begin with while pytest still collects: those of the last run, else those of each file as it comes.

Being wrong costs time only: see `running.Run`.
"""

from __future__ import annotations

from collections.abc import Sequence

from maelstrom_pytest.plan import Isolation
from maelstrom_pytest.records import Item
from maelstrom_pytest.running import Run
from maelstrom_pytest.session import Collection

MANY = 400
"""How many tests there are taken to be where nothing is known; the guest prepares itself for as many forks."""
BY_FILE = {Isolation.TEST, Isolation.FUNCTION, Isolation.CLASS, Isolation.MODULE}
"""Where what shares a job can be told from one file."""


class Guessing:
    """Has tests begun; `last` is what was collected in the last run, before something changed."""

    def __init__(self, tests: Run, last: Collection | None) -> None:
        self._tests = tests
        only_words = last is None or last.configured is None or last.configured.collect_only
        self._last = () if only_words or last is None else last.items

    def begin(self) -> None:
        """Begin, after the job that collects."""
        if self._last:
            self._tests.guess(self._last)
        else:
            self._tests.load_base(forks=MANY)

    def found(self, items: Sequence[Item]) -> None:
        """Take note of the tests of a file."""
        if not self._last and self._tests.isolation in BY_FILE:
            self._tests.guess(items, forks=MANY)
