"""A value that one thread makes and others wait for.

What concurrent.futures has for it costs more to import, logging included, than a short job takes to run. Imports
nothing of the project.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Promise(Generic[T]):
    """To be kept, or broken by an exception, once."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self._values: list[T] = []
        self._error: BaseException | None = None

    def keep(self, value: T) -> None:
        """Give all who wait the value."""
        self._values.append(value)
        self._settled.set()

    def break_(self, error: BaseException) -> None:
        """Raise the exception for all who wait."""
        self._error = error
        self._settled.set()

    def wait(self) -> T:
        """Wait for the value and return it, or raise the exception."""
        self._settled.wait()
        if self._error is not None:
            raise self._error
        return self._values[0]
