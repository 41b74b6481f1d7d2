"""Jobs that wait until it is known what their layers are called on their way: each set of layers is described once.

Reading and hashing is done in threads; what comes of it is told in the loop's own thread, some jobs at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from maelstrom_core import messages as m
from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import RealisedLayer
from maelstrom_worker.background import Background
from maelstrom_worker.job_queue import JobId

AT_ONCE = 64
"""Jobs that are told of before others have a turn: the first are on their way meanwhile."""

Layers = tuple[RealisedLayer, ...]


class Describing:
    """In one thread, but for `offer`."""

    def __init__(
        self,
        background: Background,
        offer: Callable[[RealisedLayer], m.Artifact],
        *,
        described: Callable[[JobId, m.Layers], object],
        failed: Callable[[list[JobId], BaseException], object],
    ) -> None:
        """`offer` describes a layer, in a thread; then `described` is called for each job, or `failed` for all."""
        self._background = background
        self._offer = offer
        self._told = described
        self._failed = failed
        self._known: dict[Layers, m.Layers] = {}
        self._waiting: dict[Layers, list[JobId]] = {}

    def describe(self, identity: JobId, layers: Layers) -> None:
        """Have a job's layers described, unless they are."""
        known = self._known.get(layers)
        if known is not None:
            self._told(identity, known)
        elif layers in self._waiting:
            self._waiting[layers].append(identity)
        else:
            self._waiting[layers] = [identity]
            self._background.run(partial(self._describe_all, layers), partial(self._described, layers))

    def _describe_all(self, layers: Layers) -> m.Layers:
        return tuple(map(self._offer, layers))

    def _described(self, layers: Layers, artifacts: m.Layers | None, error: BaseException | None) -> None:
        if artifacts is not None:
            self._tell(layers, artifacts, 0)
            return
        waiting = self._waiting.pop(layers)
        if not isinstance(error, MaelstromError | OSError):
            raise error or RuntimeError
        self._failed(waiting, error)

    def _tell(self, layers: Layers, artifacts: m.Layers, done: int) -> None:
        """Tell of some jobs; those that come meanwhile are behind the others."""
        waiting = self._waiting[layers]
        for identity in waiting[done : done + AT_ONCE]:
            self._told(identity, artifacts)
        if done + AT_ONCE < len(waiting):
            self._background.post(partial(self._tell, layers, artifacts, done + AT_ONCE))
        else:
            del self._waiting[layers]
            self._known[layers] = artifacts
