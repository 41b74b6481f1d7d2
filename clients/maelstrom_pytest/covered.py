"""What jobs measured of coverage, put together. Pure: no I/O, imports nothing of coverage."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import TypeVar

from maelstrom_pytest.records import Covered

T = TypeVar("T")

MAX_LINES = 10_000_000


class Combined:
    """The union of what jobs have said, by context and file."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], int] = {}
        self._arcs: dict[tuple[str, str], set[tuple[int, int]]] = {}
        self.tracers: dict[str, str] = {}

    def add(self, said: Covered) -> None:
        """Add what one job has measured; what cannot be told is nothing that a job of ours has sent."""
        try:
            told = said.unzipped()
        except ValueError:
            return
        for context, lines in told.lines.items():
            for file, bits in lines.items():
                key = context, file
                self._lines[key] = self._lines.get(key, 0) | int.from_bytes(bits[: MAX_LINES // 8], "little")
        for context, arcs in told.arcs.items():
            for file, numbers in arcs.items():
                pairs = zip(numbers[::2], numbers[1::2], strict=False)
                self._arcs.setdefault((context, file), set()).update(pairs)
        self.tracers.update(told.tracers)

    def record(self) -> dict[str, object]:
        """Return it all in the form that jobs send it in."""
        lines = {
            key: b64encode(bits.to_bytes(bits.bit_length() // 8 + 1, "little")).decode()
            for key, bits in self._lines.items()
        }
        arcs = {key: [number for pair in sorted(pairs) for number in pair] for key, pairs in self._arcs.items()}
        return {"lines": dict(_by_context(lines)), "arcs": dict(_by_context(arcs)), "tracers": self.tracers}

    def __bool__(self) -> bool:
        return bool(self._lines or self._arcs)

    def lines(self) -> Iterator[tuple[str, dict[str, list[int]]]]:
        """Yield contexts, and in each the lines of files."""
        yield from _by_context({key: numbers(bits) for key, bits in self._lines.items()})

    def arcs(self) -> Iterator[tuple[str, dict[str, list[tuple[int, int]]]]]:
        """Yield contexts, and in each the ways from line to line of files."""
        yield from _by_context({key: sorted(pairs) for key, pairs in self._arcs.items()})


def numbers(bits: int) -> list[int]:
    """Return the places of the bits that are set."""
    text = bin(bits)[:1:-1]
    found, place = [], text.find("1")
    while place >= 0:
        found.append(place)
        place = text.find("1", place + 1)
    return found


def _by_context(entries: dict[tuple[str, str], T]) -> Iterator[tuple[str, dict[str, T]]]:
    contexts: dict[str, dict[str, T]] = {}
    for (context, file), entry in entries.items():
        contexts.setdefault(context, {})[file] = entry
    yield from contexts.items()
