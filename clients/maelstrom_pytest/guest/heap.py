"""Makes a template's memory cheap to fork: forks copy each page that they write to.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# functions of `gc` that show, or depend on, what is frozen
SEEING = ("collect", "get_objects", "get_referrers", "get_stats", "get_freeze_count", "freeze", "unfreeze")


class Heap:
    """What is done to this process's memory."""

    def __init__(self) -> None:
        self.frozen = False
        self.originals: dict[str, Any] = {name: getattr(gc, name) for name in SEEING if hasattr(gc, name)}
        for name, function in self.originals.items():
            setattr(gc, name, self.thawing(name, function))

    def thawing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that has the collector look at everything again before it is used.

        Freezing is to save pages, not to be noticed: garbage among what is frozen would never be found, and would not
        be shown. Whoever asks the collector gets an answer about the whole heap, and pays for it.
        """

        def call(*arguments: Any, **keywords: Any) -> Any:
            if self.frozen:
                self.frozen = False
                self.originals["unfreeze"]()
            return function(*arguments, **keywords)

        call.__name__ = call.__qualname__ = name
        call.__doc__ = function.__doc__
        call.__module__ = "gc"
        return call

    def leave_frozen(self) -> None:
        """Collect what the tests have made, no more: pytest collects at its end, several times."""
        self.frozen = False

    def settle(self) -> None:
        """Leave no garbage to the forks, and let their collector not look at what is here."""
        self.originals["collect"]()
        self.originals["freeze"]()
        self.frozen = True
        gc.disable()
