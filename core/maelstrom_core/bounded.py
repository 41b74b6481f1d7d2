"""A dictionary for what is only kept because it may be asked for again: it holds the last so many.

Imports nothing of the project.
"""

from __future__ import annotations

from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Bounded(dict[Key, Value]):
    """Holds at most `size` items; one more takes the place of the one that was put in first."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __setitem__(self, key: Key, value: Value) -> None:
        if key not in self and len(self) >= self._size:
            del self[next(iter(self))]
        super().__setitem__(key, value)
