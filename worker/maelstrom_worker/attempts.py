"""What a worker does with the attempts that its broker gives it: events in, effects out. Pure.

    effects = attempts.run(number, slots)       # and the other events; what is to be done comes back, in order

An attempt's layers are fetched as soon as it comes; it begins when they are there and its slots are free, in the order
in which attempts came, except that one which still waits for layers does not hold up those behind it. Attempts have a
key of ours: numbers are the broker's, and another broker may give them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NewType

import msgspec

from maelstrom_core import messages as m
from maelstrom_core.job import Cancelled, Outcome, SystemFailure
from maelstrom_core.travel import pack_outcome

Key = NewType("Key", int)
State = Literal["fetching", "ready", "running", "stopping", "orphan"]


class Say(msgspec.Struct, frozen=True):
    """Tell the broker."""

    message: m.AnyMessage
    body: bytes = b""


class Fetch(msgspec.Struct, frozen=True):
    """Have its layers here: answered by `fetched`."""

    key: Key


class Launch(msgspec.Struct, frozen=True):
    """Run it: answered by `ended`."""

    key: Key


class Kill(msgspec.Struct, frozen=True):
    """Kill it: answered by `ended`, as if it had ended by itself."""

    key: Key


class Forget(msgspec.Struct, frozen=True):
    """Nothing more will happen to it: let go of its layers, or fetch them no more."""

    key: Key


class Drained(msgspec.Struct, frozen=True):
    """Nothing is left to do, nor will there be."""


Effect = Say | Fetch | Launch | Kill | Forget | Drained

_LONGEST_REASON = 4000


@dataclass(slots=True)
class _Attempt:
    key: Key
    number: int
    slots: int
    state: State = "fetching"


class Attempts:
    """The machine."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.used = 0
        self.draining = False
        self._last = 0
        self._attempts: dict[Key, _Attempt] = {}
        self._waiting: dict[Key, _Attempt] = {}
        """Those that have not begun, in the order in which they came."""
        self._numbers: dict[int, _Attempt] = {}
        """Those of the present broker that have not been answered."""

    # what the broker says

    def run(self, number: int, slots: int) -> list[Effect]:
        """Take an attempt."""
        if self.draining:
            return [Say(m.Returned(number))]
        if slots > self.slots:
            return [Say(m.Broken(number, f"it takes {slots} slots, and there are {self.slots}"))]
        if number in self._numbers:
            return []  # it is here already, whatever made the broker say so twice
        self._last += 1
        attempt = _Attempt(Key(self._last), number, slots)
        self._attempts[attempt.key] = self._waiting[attempt.key] = self._numbers[number] = attempt
        return [Fetch(attempt.key)]

    def stop(self, number: int) -> list[Effect]:
        """Kill one, or do not begin it."""
        attempt = self._numbers.get(number)
        if attempt is None:
            return []  # its end has been told
        if attempt.state == "running":
            attempt.state = "stopping"
            return [Kill(attempt.key)]
        if attempt.state == "stopping":
            return []
        return [Say(m.Stopped(number)), *self._forget(attempt), *self._fill()]

    def recall(self, number: int) -> list[Effect]:
        """Give one back, if it has not begun."""
        attempt = self._numbers.get(number)
        if attempt is None or attempt.state not in {"fetching", "ready"}:
            return []
        return [Say(m.Returned(number)), *self._forget(attempt), *self._fill()]

    def lost(self) -> list[Effect]:
        """Take note that the broker is gone: nothing of what it wanted is wanted any more."""
        effects: list[Effect] = []
        for attempt in list(self._numbers.values()):
            if attempt.state in {"running", "stopping"}:
                if attempt.state == "running":
                    effects.append(Kill(attempt.key))
                attempt.state = "orphan"
            else:
                effects += self._forget(attempt)
        self._numbers.clear()
        return [*effects, *self._end()]

    # what happens here

    def fetched(self, key: Key, error: str | None = None) -> list[Effect]:
        """Take note that the layers of an attempt are there, or cannot be had."""
        attempt = self._attempts.get(key)
        if attempt is None or attempt.state != "fetching":
            return []
        if error is not None:
            return [Say(m.Broken(attempt.number, error[:_LONGEST_REASON])), *self._forget(attempt), *self._end()]
        attempt.state = "ready"
        return self._fill()

    def ended(self, key: Key, outcome: Outcome) -> list[Effect]:
        """Take note that a launched attempt is over; raises KeyError for others."""
        attempt = self._attempts[key]
        self.used -= attempt.slots
        effects: list[Effect] = []
        if attempt.state == "stopping":
            effects.append(Say(m.Stopped(attempt.number)))
        elif attempt.state != "orphan":
            effects.append(_told(attempt.number, outcome))
        return [*effects, *self._forget(attempt), *self._fill(), *self._end()]

    def drain(self) -> list[Effect]:
        """Take no more, give back what has not begun, and tell when the rest is done."""
        if self.draining:
            return []
        self.draining = True
        effects: list[Effect] = [Say(m.Draining())]
        for attempt in list(self._numbers.values()):
            if attempt.state in {"fetching", "ready"}:
                effects += (Say(m.Returned(attempt.number)), *self._forget(attempt))
        return [*effects, *self._end()]

    # those who look

    def waiting(self) -> int:
        """Return how many have not begun."""
        return len(self._waiting)

    def running(self) -> int:
        """Return how many have, and have not ended."""
        return len(self._attempts) - len(self._waiting)

    def validate(self) -> None:
        """Raise AssertionError where an invariant is broken; for tests."""
        begun = [each for each in self._attempts.values() if each.state in {"running", "stopping", "orphan"}]
        waiting = [each.key for each in self._attempts.values() if each.state in {"fetching", "ready"}]
        assert waiting == list(self._waiting), "the queue has others than those that wait"  # noqa: S101
        assert self.used == sum(each.slots for each in begun) <= self.slots, "slots do not add up"  # noqa: S101
        for number, attempt in self._numbers.items():
            assert self._attempts[attempt.key] is attempt, "answered, and still here"  # noqa: S101
            assert attempt.number == number, "under the wrong number"  # noqa: S101
            assert attempt.state != "orphan", "of another broker"  # noqa: S101
        first = next((each for each in self._attempts.values() if each.state == "ready"), None)
        assert first is None or first.slots > self.slots - self.used, "slots are free for what waits"  # noqa: S101

    # inside

    def _fill(self) -> list[Effect]:
        """Begin what can begin. One that is ready and wants more slots than are free holds up those behind it."""
        effects: list[Effect] = []
        for attempt in list(self._waiting.values()) if self.used < self.slots else ():
            if self.used == self.slots:
                break
            if attempt.state == "ready":
                if attempt.slots > self.slots - self.used:
                    break
                attempt.state = "running"
                del self._waiting[attempt.key]
                self.used += attempt.slots
                effects += (Say(m.Started(attempt.number)), Launch(attempt.key))
        return effects

    def _forget(self, attempt: _Attempt) -> list[Effect]:
        del self._attempts[attempt.key]
        self._waiting.pop(attempt.key, None)
        if self._numbers.get(attempt.number) is attempt:
            del self._numbers[attempt.number]
        return [Forget(attempt.key)]

    def _end(self) -> list[Effect]:
        return [Drained()] if self.draining and not self._attempts else []


def _told(number: int, outcome: Outcome) -> Say:
    """Return how the broker is told of the end of an attempt."""
    if isinstance(outcome, SystemFailure):
        reason = outcome.message if outcome.hint is None else f"{outcome.message} ({outcome.hint})"
        return Say(m.Broken(number, reason[:_LONGEST_REASON]))
    if isinstance(outcome, Cancelled):
        return Say(m.Broken(number, "the worker was told to stop at once"))
    return Say(m.Ended(number), pack_outcome(outcome))
