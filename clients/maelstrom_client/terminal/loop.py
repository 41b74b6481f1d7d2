"""What a terminal session needs of an event loop. Imports nothing of the project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class SessionLoop(Protocol):
    """An event loop; `maelstrom_worker.blocking` is one, and `in_asyncio` makes one of asyncio's."""

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever there is something to read, or nothing any more."""

    def remove_reader(self, fd: int) -> bool:
        """Do so no more; return whether it was done."""

    def add_writer(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called whenever something can be written, or nothing any more."""

    def remove_writer(self, fd: int) -> bool:
        """Do so no more; return whether it was done."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have `callback` called once, after that time; who asks for it again has it called at the new time only."""

    def cancel_call(self, callback: Callable[[], object]) -> None:
        """Do so no more."""
