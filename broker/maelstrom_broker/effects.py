"""What happens to the broker, and what it wants done about it. Values only."""

from __future__ import annotations

import msgspec

from maelstrom_broker.records import Peer
from maelstrom_core.messages import AnyMessage, Hello


class Connected(msgspec.Struct, frozen=True):
    """Somebody has been let in. `peer` is a number that nobody had before."""

    peer: Peer
    hello: Hello


class Disconnected(msgspec.Struct, frozen=True):
    """A connection is gone, for whatever reason."""

    peer: Peer
    reason: str = "the connection broke"


class Said(msgspec.Struct, frozen=True, gc=False):
    """A message came. It is one that the peer's role may send: `wire` has seen to that."""

    peer: Peer
    message: AnyMessage
    body: bytes = b""


class Tick(msgspec.Struct, frozen=True):
    """Time has passed: to be told every few seconds."""


class Stored(msgspec.Struct, frozen=True):
    """The store has this artifact, whole and checked."""

    digest: str


class NotStored(msgspec.Struct, frozen=True):
    """The store could not take this artifact, which `peer` was asked for or offered."""

    digest: str
    peer: Peer
    reason: str


class Evicted(msgspec.Struct, frozen=True):
    """The store has dropped this artifact, which no job held."""

    digest: str


class ManifestEntries(msgspec.Struct, frozen=True):
    """A manifest has been read on: these are named next in it."""

    digest: str
    named: tuple[str, ...]


class ManifestRead(msgspec.Struct, frozen=True):
    """A manifest has been read to its end; or could not be, which `error` says."""

    digest: str
    error: str | None = None


Event = Connected | Disconnected | Said | Tick | Stored | NotStored | Evicted | ManifestEntries | ManifestRead


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send a message."""

    peer: Peer
    message: AnyMessage
    body: bytes = b""


class Close(msgspec.Struct, frozen=True):
    """Say goodbye to a peer, of which everything has been forgotten already."""

    peer: Peer
    reason: str


class ReadManifest(msgspec.Struct, frozen=True):
    """Read what a manifest in the store names."""

    digest: str


class Stop(msgspec.Struct, frozen=True):
    """Part with everybody, and end, as an admin wants it."""

    reason: str


Effect = Send | Close | ReadManifest | Stop
