"""Has a `Fetcher` bring layers, in threads, and keeps those that were used last: most attempts want the same ones.

A set of layers that is kept is there at once. Carries out; decides only what is kept.
"""

from __future__ import annotations

from functools import partial

import msgspec

from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import RealisedLayer
from maelstrom_core.messages import Layers
from maelstrom_worker.background import Background
from maelstrom_worker.fetcher import Fetcher
from maelstrom_worker.layers import Then

KEPT = 16
"""Sets of layers that are kept though no attempt uses them."""


class _Set(msgspec.Struct):
    """The layers of one or more attempts."""

    layers: Layers
    realised: tuple[RealisedLayer, ...] | None = None
    users: dict[int, Then] = {}
    """Attempts by their keys, and whom to tell of those that wait."""
    turn: int = 0
    """Of the connection to the broker, when they began to be fetched."""


class Bringing:
    """Between its making and `close`; in one thread, but for what it has done in others."""

    def __init__(self, fetcher: Fetcher, background: Background) -> None:
        self._fetcher = fetcher
        self._background = background
        self._sets: dict[Layers, _Set] = {}
        """Those that were used last come last."""
        self._of_keys: dict[int, _Set] = {}
        self._turn = 0

    def holding(self) -> tuple[str, ...]:
        """Return the digests of layers that are here."""
        return self._fetcher.holding()

    def bring(self, key: int, layers: Layers, then: Then) -> None:
        """Have layers here; see `Bringer`."""
        if not layers:
            then((), None)
            return
        found = self._sets.pop(layers, None)
        wanted = self._sets[layers] = found or _Set(layers)
        wanted.users[key] = then
        self._of_keys[key] = wanted
        if wanted.realised is not None:
            then(wanted.realised, None)
        elif found is None:
            self._obtain(wanted)

    def forget(self, key: int) -> None:
        """Let go of an attempt's layers."""
        wanted = self._of_keys.pop(key, None)
        if wanted is not None:
            del wanted.users[key]
            self._tidy()

    def renew(self) -> None:
        """Take note that the broker was lost."""
        self._turn += 1
        self._fetcher.renew()

    def close(self) -> None:
        """Bring nothing more."""
        self._fetcher.close()

    def _obtain(self, wanted: _Set) -> None:
        wanted.turn = self._turn
        self._background.run(partial(self._fetcher.obtain, wanted.layers), partial(self._brought, wanted))

    def _brought(self, wanted: _Set, realised: tuple[RealisedLayer, ...] | None, error: BaseException | None) -> None:
        users = dict(wanted.users)
        if realised is None:
            if users and wanted.turn != self._turn:
                self._obtain(wanted)  # it was the broker that was lost: who waits now has them from the next one
                return
            del self._sets[wanted.layers]
            self._tidy(0)  # the disk may be full
            for key in users:
                del self._of_keys[key]
            wanted.users.clear()
            reason = f"failed to have its layers here: {error}"
            for then in users.values():
                then(None, reason)
            if not isinstance(error, MaelstromError | OSError):
                raise error or RuntimeError  # a bug, which costs no more than these attempts
            return
        wanted.realised = realised
        for key, then in users.items():
            if key in wanted.users:  # what was told before may have ended others
                then(realised, None)
        self._tidy()

    def _tidy(self, kept: int = KEPT) -> None:
        """Give back what nobody uses, but for so many sets that were used last."""
        idle = [each for each in self._sets.values() if not each.users and each.realised is not None]
        for each in idle[: max(0, len(idle) - kept)]:
            del self._sets[each.layers]
            self._background.run(partial(self._fetcher.release, each.layers), _released)


def _released(_result: object, error: BaseException | None) -> None:
    if error is not None:
        raise error
