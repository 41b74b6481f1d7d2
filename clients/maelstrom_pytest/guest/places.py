"""How a test is found again that was collected by another process: by its node id, which may repeat.

Where ids are made anew each time pytest collects, from a clock or a random number, there is its place: which of its
function's sets of parameters it has, and of how many.

Runs inside the container; see the package. Imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any


def numbered(items: Iterable[Any]) -> Iterator[tuple[Any, int]]:
    """Yield each item with the number of items before it that have the same node id."""
    seen: dict[str, int] = {}
    for item in items:
        nodeid = str(item.nodeid)
        occurrence = seen.get(nodeid, 0)
        seen[nodeid] = occurrence + 1
        yield item, occurrence


def places(nodeids: Sequence[str]) -> list[tuple[int, int] | None]:
    """Return the place of each test; None where it has no parameters."""
    counts: dict[str, int] = {}
    numbers = []
    for nodeid in nodeids:
        function, bracket, _ = nodeid.partition("[")
        numbers.append(counts.get(function, 0) if bracket else -1)
        if bracket:
            counts[function] = counts.get(function, 0) + 1
    return [
        None if number < 0 else (number, counts[nodeid.partition("[")[0]])
        for nodeid, number in zip(nodeids, numbers, strict=True)
    ]


def at_their_places(
    collected: Mapping[tuple[str, int], tuple[int, Any]],
    wanted: Mapping[tuple[str, int], int],
    places: Mapping[str, Sequence[int]],
) -> list[tuple[int, int, Any]]:
    """Return what is at the places of wanted tests that are not there by id: position, number of the test, item.

    Where a function has another number of tests now, nothing tells which is which.
    """
    functions: dict[str, list[tuple[int, Any]]] = {}
    for (nodeid, _occurrence), entry in collected.items():
        function, bracket, _ = nodeid.partition("[")
        if bracket:
            functions.setdefault(function, []).append(entry)
    found = []
    for key, index in wanted.items():
        same, place = functions.get(key[0].partition("[")[0], []), places.get(str(index))
        if key not in collected and place is not None and len(same) == place[1]:
            position, item = same[place[0]]
            found.append((position, index, item))
    return found
