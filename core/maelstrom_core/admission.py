"""Who may connect, and how many: pure decisions about connections that have not shown yet who they are.

    reason = admission.come(visitor, address, now)      # not None: close it
    admission.surplus()                                 # whom to close, since too many have said nothing yet
    admission.greeted(visitor) / .failed(visitor, now)  # the right token, or not
    admission.gone(visitor)

Whoever says nothing is closed when others come and there is no room, the one that came first. So those who have
something to say get in, however many hold connections open. `now` is any clock that never goes back, in seconds.
Whatever is kept is bounded. Imports nothing of the project but `bounded`.
"""

from __future__ import annotations

from collections import Counter
from typing import Generic, Literal, TypeVar

import msgspec

from maelstrom_core.bounded import Bounded

Visitor = TypeVar("Visitor")

Reason = Literal["too many connections", "too many connections from this address", "too many failed greetings"]

THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
"""Addresses that all users of this machine share: they are counted together only."""
_REMEMBERED = 10_000
"""Addresses whose failures are remembered."""


class Limits(msgspec.Struct, frozen=True):
    """How many, at most."""

    connections: int = 10_000
    """At a time."""
    per_address: int = 2_000
    """At a time, from one address; from networks of version 6, from one network of 64 bits."""
    waiting: int = 512
    """Of those that have not shown a token yet; the first one is closed when there is one more."""
    failures: int = 20
    """Wrong tokens and broken greetings of one address in short order."""
    recovery: float = 3.0
    """Seconds after which one of them is forgotten."""


class _Failures(msgspec.Struct):
    count: float
    since: float


class Admission(Generic[Visitor]):
    """The state."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.refused: Counter[str] = Counter()
        """How many were not let in, ever, by reason."""
        self._addresses: dict[Visitor, str] = {}
        self._numbers: Counter[str] = Counter()
        self._waiting: dict[Visitor, None] = {}
        self._failures: Bounded[str, _Failures] = Bounded(_REMEMBERED)

    def __len__(self) -> int:
        return len(self._addresses)

    @property
    def waiting(self) -> int:
        """How many have not shown yet who they are."""
        return len(self._waiting)

    def come(self, visitor: Visitor, address: str, now: float) -> Reason | None:
        """Take note of a new connection; or return why it is to be closed, and then nothing more is told of it."""
        network = network_of(address)
        reason: Reason | None = None
        if self._failed(network, now) >= self.limits.failures:
            reason = "too many failed greetings"
        elif network not in THIS_MACHINE and self._numbers[network] >= self.limits.per_address:
            reason = "too many connections from this address"
        elif len(self._addresses) >= self.limits.connections and not self._waiting:
            reason = "too many connections"
        if reason is not None:
            self.refused[reason] += 1
            return reason
        self._addresses[visitor] = network
        self._numbers[network] += 1
        self._waiting[visitor] = None
        return None

    def surplus(self) -> list[Visitor]:
        """Return whom to close, of whom nothing more is to be told: those that have waited longest."""
        limits = self.limits
        many = max(len(self._waiting) - limits.waiting, len(self._addresses) - limits.connections, 0)
        surplus = list(self._waiting)[:many] if many else []
        for visitor in surplus:
            self.refused["said nothing while others came"] += 1
            self.gone(visitor)
        return surplus

    def greeted(self, visitor: Visitor) -> None:
        """Take note that somebody has shown a token that is right."""
        self._waiting.pop(visitor, None)

    def failed(self, visitor: Visitor, now: float, reason: str) -> None:
        """Take note that somebody has not; who does so too often is refused for a while."""
        self.refused[reason] += 1
        network = self._addresses.get(visitor)
        if network is not None and network not in THIS_MACHINE:
            count = self._failed(network, now) + 1
            self._failures.pop(network, None)
            self._failures[network] = _Failures(count, now)

    def gone(self, visitor: Visitor) -> None:
        """Take note that a connection is closed; more than once does no harm."""
        self._waiting.pop(visitor, None)
        network = self._addresses.pop(visitor, None)
        if network is not None:
            self._numbers[network] -= 1
            if not self._numbers[network]:
                del self._numbers[network]

    def _failed(self, network: str, now: float) -> float:
        failures = self._failures.get(network)
        return 0 if failures is None else max(0, failures.count - (now - failures.since) / self.limits.recovery)


def network_of(address: str) -> str:
    """Return what counts as one address: of version 6 the first 64 bits, which one machine usually has to itself."""
    if ":" not in address or address in THIS_MACHINE:
        return address
    import ipaddress

    try:
        number = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if number.ipv4_mapped is not None:
        return str(number.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(number) >> 64 << 64, 64)))
