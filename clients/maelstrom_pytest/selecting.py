"""Which of the collected tests run; some may before that is known. `maelstrom_test_runner.selecting` decides.

pytest has made its own selection before (`-k`, `-m`, paths and node ids); this one is applied to what that leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from maelstrom_pytest import works
from maelstrom_pytest.plan import KEYS, Isolation
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import facts
from maelstrom_test_runner import selecting
from maelstrom_test_runner.history import History, Past
from maelstrom_test_runner.selecting import Chosen, Reader, Selection


def choose(selection: Selection, items: Sequence[Item], history: History, isolation: Isolation) -> Chosen[Item]:
    """Return what is to run of all that was collected; tests that share a process are in the same shard."""
    return selecting.choose(selection, items, _reader(history, KEYS.get(isolation, works.key)))


def likely(selection: Selection, history: History) -> Callable[[Sequence[Item]], Sequence[Item]]:
    """Return what says which of some tests will be chosen, though it is not known yet what else there is."""
    reader = _reader(history, works.key)

    def guess(items: Sequence[Item]) -> Sequence[Item]:
        if selection.shard is not None:
            return ()
        chosen = selecting.filtered(selection, items, reader)
        if not selection.last_failed:
            return chosen
        return [item for item in chosen if selecting.has_failed(reader.past(item))]

    return guess


def _reader(history: History, group: Callable[[Item], Hashable]) -> Reader[Item]:
    def past(item: Item) -> Past | None:
        return history.get(item.nodeid, item.occurrence)

    return Reader(facts, past, group)
