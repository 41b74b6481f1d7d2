"""Which of the tests that there are run: by filters, by what failed last time, by shard. Pure.

The native runner's own selection is made before; this one is applied to what that leaves. What a test is, is the
runner's business: `Reader` says what is to be known of one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from maelstrom_test_runner.filter_parser import FilterError, parse
from maelstrom_test_runner.filters import Facts, Filter, Language, selects
from maelstrom_test_runner.history import Past
from maelstrom_test_runner.shard import Shard, parse_shard, part

T = TypeVar("T")


class Selection(msgspec.Struct, frozen=True):
    """What the command line asks for. By default everything."""

    include: tuple[Filter, ...] = ()
    exclude: tuple[Filter, ...] = ()
    last_failed: bool = False
    shard: Shard | None = None

    @property
    def needs_all(self) -> bool:
        """Whether nothing can be chosen before it is known what there is."""
        return self.last_failed or self.shard is not None


class Chosen(NamedTuple, Generic[T]):
    """The tests of a run, in the order in which they came, and what there is to say about the choice."""

    items: tuple[T, ...]
    deselected: int = 0
    notes: tuple[str, ...] = ()


class Reader(NamedTuple, Generic[T]):
    """Reads tests."""

    facts: Callable[[T], Facts]
    past: Callable[[T], Past | None]
    group: Callable[[T], Hashable]
    """Tests of which this is equal are in the same shard."""


def read_selection(
    include: Iterable[str],
    exclude: Iterable[str],
    language: Language,
    *,
    last_failed: bool = False,
    shard: str | None = None,
) -> Selection:
    """Return what texts of the command line mean. Raises UserError, FilterError for a filter."""

    def read(option: str, texts: Iterable[str]) -> tuple[Filter, ...]:
        found = []
        for text in texts:
            try:
                found.append(parse(text, language))
            except FilterError as error:
                raise error.within(option) from None
        return tuple(found)

    return Selection(
        read("--include", include),
        read("--exclude", exclude),
        last_failed,
        None if shard is None else parse_shard(shard),
    )


def choose(selection: Selection, items: Sequence[T], reader: Reader[T]) -> Chosen[T]:
    """Return what is to run of all that there is."""
    notes = []
    chosen = filtered(selection, items, reader)
    if selection.last_failed:
        failed = [item for item in chosen if has_failed(reader.past(item))]
        if failed:
            notes.append(f"--last-failed: {len(failed)} of {len(chosen)} tests failed when they ran last")
        else:
            notes.append("--last-failed: none of these tests failed when it ran last, so all of them run")
        chosen = failed or chosen
    if selection.shard is not None:
        chosen, note = _shard(selection.shard, chosen, reader)
        notes.append(note)
    return Chosen(tuple(chosen), len(items) - len(chosen), tuple(notes))


def filtered(selection: Selection, items: Sequence[T], reader: Reader[T]) -> Sequence[T]:
    """Return the tests that filters mean."""
    if not selection.include and not selection.exclude:
        return items
    return [item for item in items if selects(selection.include, selection.exclude, reader.facts(item)) is True]


def has_failed(past: Past | None) -> bool:
    """Tell whether a test failed when it ran last."""
    return past is not None and past.failed


def _shard(shard: Shard, items: Sequence[T], reader: Reader[T]) -> tuple[Sequence[T], str]:
    """Return the tests of a shard."""
    durations: dict[Hashable, float | None] = {}
    for item in items:
        past, key = reader.past(item), reader.group(item)
        seconds, known = None if past is None else past.seconds, durations.get(key)
        durations[key] = known if seconds is None else seconds + (known or 0.0)
    found = part(durations, shard)
    chosen = [item for item in items if reader.group(item) in found.keys]
    took = f"{found.seconds:.1f} s of {found.total:.1f} s" if found.known else "no durations are known"
    return chosen, (
        f"--shard {shard.number}/{shard.count}: {len(chosen)} of {len(items)} tests, {took}; "
        f"all shards say {found.fingerprint} if they are cut alike"
    )
