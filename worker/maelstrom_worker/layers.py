"""What a worker wants of whoever brings layers here: an interface.

Imports the words of the core only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from maelstrom_core.job import RealisedLayer
from maelstrom_core.messages import Layers

Then = Callable[[tuple[RealisedLayer, ...] | None, str | None], object]
"""Takes layers in the order in which they were asked for, or None and what went wrong."""


class Bringer(Protocol):
    """Has layers on this machine, of what the broker has."""

    def holding(self) -> tuple[str, ...]:
        """Return the digests of layers that are here."""

    def bring(self, key: int, layers: Layers, then: Then) -> None:
        """Have layers here; `then` is called once, in the loop's thread, perhaps at once, unless `forget` is."""

    def forget(self, key: int) -> None:
        """Let go of what was brought for a key: the layers may disappear from now on."""

    def renew(self) -> None:
        """Take note that the broker was lost: connections to it lead nowhere."""

    def close(self) -> None:
        """Bring nothing more."""
