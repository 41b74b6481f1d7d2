"""The book-keeping of a cache: who waits for what, what is in use, what goes first when space runs out.

A pure state machine: no files, no clock, no threads. `cache` does what it says. An entry is

    absent --get--> Getting --got--> in use (references > 0) <--get/release--> idle (references = 0) --> evicted

The size is a soft target: entries in use are never evicted, however large. Idle ones go in the order of their last
release. Exactly one getter fetches a key at a time; when it disconnects, another that waits is asked to.
Imports nothing of the project.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

Job = TypeVar("Job")
Getter = TypeVar("Getter", bound=Hashable)


class Key(msgspec.Struct, frozen=True, order=True):
    """What an entry is called: its kind, and 64 hexadecimal digits."""

    kind: str
    digest: str


class Success(msgspec.Struct, frozen=True):
    """The entry is there, and holds one reference more; `size` in bytes."""

    size: int


class Wait(msgspec.Struct, frozen=True):
    """Somebody is getting the entry; the job comes back from `got` or `failed`."""


class Get(msgspec.Struct, frozen=True):
    """The caller must get the entry, then call `got` or `failed`; its job waits like any other."""


Answer = Success | Wait | Get


class _Getting(msgspec.Struct, Generic[Job, Getter]):
    getter: Getter
    waiting: dict[Getter, list[Job]]


class _Held(msgspec.Struct):
    size: int
    references: int


class Got(msgspec.Struct, Generic[Job], frozen=True):
    """What to do with something that was got: keep it or discard it; whose wait is over; what makes room."""

    accepted: bool
    waiting: tuple[Job, ...] = ()
    evicted: tuple[Key, ...] = ()


class CacheIndex(msgspec.Struct, Generic[Job, Getter]):
    """The state of all entries. Keys that a method calls evicted are forgotten: the caller removes them."""

    target_size: int
    bytes_used: int = 0
    _entries: dict[Key, _Getting[Job, Getter] | _Held] = msgspec.field(default_factory=dict)
    _idle: OrderedDict[Key, None] = msgspec.field(default_factory=OrderedDict)

    def get(self, key: Key, job: Job, getter: Getter) -> Answer:
        """Ask for an entry on behalf of a job."""
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Getting(getter, {getter: [job]})
            return Get()
        if isinstance(entry, _Getting):
            entry.waiting.setdefault(getter, []).append(job)
            return Wait()
        entry.references += 1
        self._idle.pop(key, None)
        return Success(entry.size)

    def got(self, key: Key, size: int) -> Got[Job]:
        """Take note that a key was got. Not accepted: nobody wants it (any more), or it is there already."""
        entry = self._entries.get(key)
        if not isinstance(entry, _Getting):
            return Got(accepted=False)
        waiting = _all_waiting(entry)
        self._entries[key] = _Held(size, len(waiting))
        self.bytes_used += size
        return Got(accepted=True, waiting=waiting, evicted=self.evict())

    def failed(self, key: Key) -> tuple[Job, ...]:
        """Forget a key that could not be got; returns the jobs that waited. No effect in any other state."""
        entry = self._entries.get(key)
        if not isinstance(entry, _Getting):
            return ()
        del self._entries[key]
        return _all_waiting(entry)

    def release(self, key: Key) -> tuple[Key, ...]:
        """Give one reference back; returns the keys evicted. Raises ValueError if there is none to give back."""
        entry = self._entries.get(key)
        if not isinstance(entry, _Held) or entry.references == 0:
            raise ValueError(f"{key} is not in use")
        entry.references -= 1
        if entry.references:
            return ()
        self._idle[key] = None
        return self.evict()

    def try_increment(self, key: Key) -> int | None:
        """Take one more reference to an entry in use and return its size; None if it is not in use."""
        entry = self._entries.get(key)
        if not isinstance(entry, _Held) or entry.references == 0:
            return None
        entry.references += 1
        return entry.size

    def disconnect(self, getter: Getter) -> dict[Key, Getter]:
        """Forget what a getter waits for; returns who must get what it was getting and others still want."""
        reassigned = {}
        for key, entry in list(self._entries.items()):
            if not isinstance(entry, _Getting):
                continue
            entry.waiting.pop(getter, None)
            if not entry.waiting:
                del self._entries[key]
            elif entry.getter == getter:
                entry.getter = reassigned[key] = next(iter(entry.waiting))
        return reassigned

    def restore(self, key: Key, size: int) -> None:
        """Add an idle entry that was found in the files, as the last to go. No effect if the key is known."""
        if key not in self._entries:
            self._entries[key] = _Held(size, 0)
            self._idle[key] = None
            self.bytes_used += size

    def forget(self, key: Key) -> None:
        """Drop an idle entry whose files are gone. No effect in any other state."""
        if key in self._idle:
            self._drop(key)

    def getting(self, key: Key) -> bool:
        """Tell whether an entry is being got."""
        return isinstance(self._entries.get(key), _Getting)

    def in_use(self, key: Key) -> bool:
        """Tell whether an entry holds references."""
        entry = self._entries.get(key)
        return isinstance(entry, _Held) and entry.references > 0

    def evict(self, target: int | None = None) -> tuple[Key, ...]:
        """Forget idle entries, least recently released first, until the target size is met, or another; returns them.

        With a target of -1 none is left.
        """
        evicted = []
        most = self.target_size if target is None else target
        while self.bytes_used > most and self._idle:
            key = next(iter(self._idle))
            self._drop(key)
            evicted.append(key)
        return tuple(evicted)

    def validate(self) -> None:
        """Raise AssertionError if the state contradicts itself; for tests."""
        held = {key: entry for key, entry in self._entries.items() if isinstance(entry, _Held)}
        _check(self.bytes_used == sum(entry.size for entry in held.values()), "bytes_used is the sum of the sizes")
        _check(
            set(self._idle) == {key for key, entry in held.items() if entry.references == 0}, "idle are unreferenced"
        )
        _check(self.bytes_used <= self.target_size or not self._idle, "nothing idle while over the target")
        for entry in self._entries.values():
            if isinstance(entry, _Getting):
                _check(entry.getter in entry.waiting, "who gets also waits")
                _check(all(entry.waiting.values()), "each getter that waits has jobs")

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key)
        if isinstance(entry, _Held):
            self.bytes_used -= entry.size
        del self._idle[key]


def _all_waiting(entry: _Getting[Job, Getter]) -> tuple[Job, ...]:
    return tuple(job for jobs in entry.waiting.values() for job in jobs)


def _check(truth: bool, rule: str) -> None:
    if not truth:
        raise AssertionError(rule)
