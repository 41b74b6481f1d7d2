"""Which of the collected tests run: by filters, by what failed last time, by shard. Pure but for the history it reads.

pytest has made its own selection before (`-k`, `-m`, paths and node ids); this one is applied to what that leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from maelstrom_pytest import works
from maelstrom_pytest.plan import KEYS, Isolation
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import LANGUAGE, facts
from maelstrom_test_runner.filter_parser import FilterError, parse
from maelstrom_test_runner.filters import Filter, selects
from maelstrom_test_runner.history import History
from maelstrom_test_runner.shard import Shard, parse_shard, part


class Selection(msgspec.Struct, frozen=True):
    """What the command line asks for. By default everything."""

    include: tuple[Filter, ...] = ()
    exclude: tuple[Filter, ...] = ()
    last_failed: bool = False
    shard: Shard | None = None


class Chosen(msgspec.Struct, frozen=True):
    """The tests of a run, in the order of the collection, and what there is to say about the choice."""

    items: tuple[Item, ...]
    deselected: int = 0
    notes: tuple[str, ...] = ()


def read_selection(
    include: Iterable[str], exclude: Iterable[str], *, last_failed: bool = False, shard: str | None = None
) -> Selection:
    """Return what texts of the command line mean. Raises UserError, FilterError for a filter."""

    def read(option: str, texts: Iterable[str]) -> tuple[Filter, ...]:
        found = []
        for text in texts:
            try:
                found.append(parse(text, LANGUAGE))
            except FilterError as error:
                raise error.within(option) from None
        return tuple(found)

    return Selection(
        read("--include", include),
        read("--exclude", exclude),
        last_failed,
        None if shard is None else parse_shard(shard),
    )


def choose(selection: Selection, items: Sequence[Item], history: History, isolation: Isolation) -> Chosen:
    """Return what is to run of all that was collected."""
    notes = []
    chosen = _filtered(selection, items)
    if selection.last_failed:
        failed = [item for item in chosen if _failed(item, history)]
        if failed:
            notes.append(f"--last-failed: {len(failed)} of {len(chosen)} tests failed when they ran last")
        else:
            notes.append("--last-failed: none of these tests failed when it ran last, so all of them run")
        chosen = failed or chosen
    if selection.shard is not None:
        chosen, note = _shard(selection.shard, chosen, history, isolation)
        notes.append(note)
    return Chosen(tuple(chosen), len(items) - len(chosen), tuple(notes))


def likely(selection: Selection, history: History) -> Callable[[Sequence[Item]], Sequence[Item]]:
    """Return what says which of some tests will be chosen, though it is not known yet what else there is."""

    def guess(items: Sequence[Item]) -> Sequence[Item]:
        if selection.shard is not None:
            return ()
        chosen = _filtered(selection, items)
        return [item for item in chosen if _failed(item, history)] if selection.last_failed else chosen

    return guess


def _filtered(selection: Selection, items: Sequence[Item]) -> Sequence[Item]:
    if not selection.include and not selection.exclude:
        return items
    return [item for item in items if selects(selection.include, selection.exclude, facts(item)) is True]


def _failed(item: Item, history: History) -> bool:
    past = history.get(item.nodeid, item.occurrence)
    return past is not None and past.failed


def _shard(shard: Shard, items: Sequence[Item], history: History, isolation: Isolation) -> tuple[Sequence[Item], str]:
    """Return the tests of a shard; those that share a process stay together."""
    key: Callable[[Item], object] = KEYS.get(isolation, works.key)
    durations: dict[object, float | None] = {}
    for item in items:
        past = history.get(item.nodeid, item.occurrence)
        seconds, known = None if past is None else past.seconds, durations.get(key(item))
        durations[key(item)] = known if seconds is None else seconds + (known or 0.0)
    found = part(durations, shard)
    chosen = [item for item in items if key(item) in found.keys]
    took = f"{found.seconds:.1f} s of {found.total:.1f} s" if found.known else "no durations are known"
    return chosen, (
        f"--shard {shard.number}/{shard.count}: {len(chosen)} of {len(items)} tests, {took}; "
        f"all shards say {found.fingerprint} if they are cut alike"
    )
