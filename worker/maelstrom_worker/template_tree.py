"""Which templates live: pure decisions. Events in (method calls), effects out.

A template is known by its path: what the first program is started with, then the request of each stage; so a path holds
all that went into it. Somebody who wants a runner of a template gets a *lease*, and keeps the template alive with it.
No clock, no sockets, no processes: `maelstrom_worker.incubator` carries the effects out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NewType

import msgspec

Lease = NewType("Lease", int)
Path = tuple[bytes, ...]
State = Literal["waiting", "starting", "ready"]

STARTS = 2
"""How often a template that dies while it loads is started before it is given up."""


class Start(msgspec.Struct, frozen=True):
    """Start the first program of a path of one, or ask the parent, which is ready, for the stage."""

    path: Path


class Serve(msgspec.Struct, frozen=True):
    """Ask the template for a runner."""

    path: Path
    lease: Lease


class Reject(msgspec.Struct, frozen=True):
    """There will be no runner."""

    lease: Lease
    reason: str


class Close(msgspec.Struct, frozen=True):
    """Let the template go."""

    path: Path


Effect = Start | Serve | Reject | Close


class _Node(msgspec.Struct):
    state: State
    starts: int = 1
    leases: set[Lease] = msgspec.field(default_factory=set)
    waiting: list[Lease] = msgspec.field(default_factory=list)


class TemplateTree:
    """The state; `limit` is how many templates may live when nobody uses them."""

    def __init__(self, limit: int = 16) -> None:
        self.limit = limit
        self._nodes: dict[Path, _Node] = {}  # in the order of their last use
        self._given_up: dict[Path, str] = {}

    def want(self, path: Path, lease: Lease) -> list[Effect]:
        """Take note of somebody who wants a runner."""
        for known in _from_the_root(path):
            if (reason := self._given_up.get(known)) is not None:
                return [Reject(lease, reason)]
        effects = self._ensure(path)
        node = self._nodes[path]
        node.leases.add(lease)
        if node.state == "ready":
            return [*effects, Serve(path, lease)]
        node.waiting.append(lease)
        return effects

    def release(self, lease: Lease) -> list[Effect]:
        """Take note that a lease is over, whether it was served or not."""
        for node in self._nodes.values():
            node.leases.discard(lease)
            if lease in node.waiting:
                node.waiting.remove(lease)
        return self.shrink(self.limit)

    def ready(self, path: Path) -> list[Effect]:
        """Take note that a template has loaded."""
        node = self._nodes[path]
        node.state = "ready"
        effects: list[Effect] = [Serve(path, lease) for lease in node.waiting]
        node.waiting.clear()
        for child, below in self._nodes.items():
            if child[:-1] == path and below.state == "waiting":
                below.state = "starting"
                effects.append(Start(child))
        return effects

    def refused(self, path: Path, reason: str) -> list[Effect]:
        """Take note that a template must not be forked, or cannot be had; it will not be tried again."""
        self._given_up[path] = reason
        return self._remove(path, reason)

    def died(self, path: Path, reason: str) -> list[Effect]:
        """Take note that a template is gone. One that was still loading is started again, once."""
        node = self._nodes.get(path)
        if node is None:
            return []
        if node.state == "starting":
            if node.starts >= STARTS:
                return self.refused(path, reason)
            node.starts += 1
            return [Start(path)]
        return self._remove(path, "it died")

    def shrink(self, keep: int) -> list[Effect]:
        """Close what has not been used for longest until at most `keep` are left that nobody uses.

        A template is used by whoever has a lease of it and by the templates forked from it.
        """
        effects: list[Effect] = []
        while len(unused := self._unused()) > keep:
            del self._nodes[unused[0]]
            effects.append(Close(unused[0]))
        return effects

    def _unused(self) -> list[Path]:
        parents = {path[:-1] for path in self._nodes}
        nodes = self._nodes.items()
        return [path for path, node in nodes if node.state == "ready" and not node.leases and path not in parents]

    def validate(self) -> None:
        """Raise AssertionError where an invariant is broken; for tests."""
        for path, node in self._nodes.items():
            parent = self._nodes.get(path[:-1])
            assert len(path) == 1 or parent is not None, "a stage without its template"  # noqa: S101
            if node.state == "waiting":
                assert parent is not None  # noqa: S101
                assert parent.state != "ready", "a stage waits for a template that is ready"  # noqa: S101
            elif parent is not None:
                assert parent.state == "ready", "a stage of a template that is not ready"  # noqa: S101
            assert not (node.waiting and node.state == "ready"), "somebody waits for what is there"  # noqa: S101
            assert set(node.waiting) <= node.leases, "somebody waits without a lease"  # noqa: S101
            assert path not in self._given_up, "what was given up lives"  # noqa: S101

    def _ensure(self, path: Path) -> list[Effect]:
        """Make the nodes of a path that are missing; all of it counts as used."""
        effects: list[Effect] = []
        above_is_ready = True
        for part in _from_the_root(path):
            node = self._nodes.pop(part, None)
            if node is None:
                node = _Node("starting" if above_is_ready else "waiting")
                if above_is_ready:
                    effects.append(Start(part))
            self._nodes[part] = node
            above_is_ready = node.state == "ready"
        return effects

    def _remove(self, path: Path, reason: str) -> list[Effect]:
        effects: list[Effect] = []
        for other in [other for other in self._nodes if other[: len(path)] == path]:
            node = self._nodes.pop(other)
            effects += [Reject(lease, reason) for lease in node.waiting]
            effects.append(Close(other))
        return effects


def _from_the_root(path: Path) -> Iterator[Path]:
    for length in range(1, len(path) + 1):
        yield path[:length]
