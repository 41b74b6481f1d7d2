"""The attempts of a worker: what the broker says and what happens here, against what is done about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core import messages as m
from maelstrom_core.job import Cancelled, Effects, Exited, SystemFailure
from maelstrom_core.travel import pack_outcome
from maelstrom_worker.attempts import Attempts, Drained, Effect, Fetch, Forget, Key, Kill, Launch, Say

DONE = Exited(0, Effects())


def said(effects: list[Effect]) -> list[m.AnyMessage]:
    return [effect.message for effect in effects if isinstance(effect, Say)]


def begun(attempts: Attempts, number: int, slots: int = 1) -> Key:
    (fetch,) = attempts.run(number, slots)
    assert isinstance(fetch, Fetch)
    assert attempts.fetched(fetch.key) == [Say(m.Started(number)), Launch(fetch.key)]
    return fetch.key


def test_an_attempt_fetches_begins_and_ends() -> None:
    attempts = Attempts(1)
    key = begun(attempts, 7)
    assert attempts.ended(key, DONE) == [Say(m.Ended(7), pack_outcome(DONE)), Forget(key)]


def test_attempts_begin_in_the_order_in_which_they_came() -> None:
    attempts = Attempts(1)
    first = begun(attempts, 1)
    keys = [attempts.run(number, 1)[0] for number in (2, 3)]
    for fetch in reversed(keys):
        assert isinstance(fetch, Fetch)
        assert attempts.fetched(fetch.key) == []
    assert said(attempts.ended(first, DONE))[-1] == m.Started(2)


def test_who_waits_for_layers_does_not_hold_up_the_others() -> None:
    attempts = Attempts(1)
    (slow,) = attempts.run(1, 1)
    assert isinstance(slow, Fetch)
    begun(attempts, 2)
    assert attempts.fetched(slow.key) == []


def test_a_wide_attempt_is_not_passed_by_narrow_ones() -> None:
    attempts = Attempts(2)
    first = begun(attempts, 1)
    for number, slots in ((2, 2), (3, 1)):
        (fetch,) = attempts.run(number, slots)
        assert isinstance(fetch, Fetch)
        assert attempts.fetched(fetch.key) == []
    assert said(attempts.ended(first, DONE))[-1] == m.Started(2)


def test_layers_that_cannot_be_had_are_the_workers_fault() -> None:
    attempts = Attempts(1)
    (fetch,) = attempts.run(1, 1)
    assert isinstance(fetch, Fetch)
    assert attempts.fetched(fetch.key, "no space left") == [Say(m.Broken(1, "no space left")), Forget(fetch.key)]


def test_what_this_machine_could_not_do_is_to_be_tried_elsewhere() -> None:
    attempts = Attempts(1)
    key = begun(attempts, 1)
    assert said(attempts.ended(key, SystemFailure("lost", "memory"))) == [m.Broken(1, "lost (memory)")]


def test_what_is_stopped_is_answered_when_nothing_is_left_of_it() -> None:
    attempts = Attempts(1)
    key = begun(attempts, 1)
    (waits,) = attempts.run(2, 1)
    assert attempts.stop(1) == [Kill(key)]
    assert attempts.stop(1) == []
    assert isinstance(waits, Fetch)
    assert attempts.stop(2) == [Say(m.Stopped(2)), Forget(waits.key)]
    assert attempts.ended(key, Cancelled()) == [Say(m.Stopped(1)), Forget(key)]
    assert attempts.stop(1) == []


def test_only_what_has_not_begun_is_given_back() -> None:
    attempts = Attempts(1)
    begun(attempts, 1)
    attempts.run(2, 1)
    assert attempts.recall(1) == []
    assert said(attempts.recall(2)) == [m.Returned(2)]


def test_a_lost_broker_has_everything_killed_and_is_told_nothing() -> None:
    attempts = Attempts(2)
    key = begun(attempts, 1)
    attempts.run(2, 1)
    assert Kill(key) in attempts.lost()
    again = begun(attempts, 1)  # of the new broker, which begins to count anew
    assert said(attempts.ended(key, Cancelled())) == []
    assert said(attempts.ended(again, DONE)) == [m.Ended(1)]


def test_a_draining_worker_gives_back_ends_and_goes() -> None:
    attempts = Attempts(1)
    key = begun(attempts, 1)
    attempts.run(2, 1)
    assert said(attempts.drain()) == [m.Draining(), m.Returned(2)]
    assert attempts.drain() == []
    assert attempts.run(3, 1) == [Say(m.Returned(3))]
    assert attempts.ended(key, DONE)[-1] == Drained()
    assert Attempts(1).drain() == [Say(m.Draining()), Drained()]


@given(st.lists(st.tuples(st.sampled_from(["run", "stop", "recall", "fetched", "broken", "ended", "lost", "drain"]),
                          st.integers(0, 7), st.integers(1, 3))))  # fmt: skip
def test_whatever_happens_slots_add_up_and_each_attempt_is_answered_once(steps: list[tuple[str, int, int]]) -> None:
    attempts, open_numbers, fetching, running = Attempts(3), set[int](), list[Key](), list[Key]()
    last = 0
    for what, which, slots in [*steps, *[("fetched", 0, 1)] * len(steps), *[("ended", 0, 1)] * len(steps)]:
        numbers = sorted(open_numbers)
        effects: list[Effect] = []
        match what:
            case "run":
                last += 1
                open_numbers.add(last)
                effects = attempts.run(last, slots)
            case "stop" | "recall" if numbers:
                number = numbers[which % len(numbers)]
                effects = attempts.stop(number) if what == "stop" else attempts.recall(number)
            case "fetched" | "broken" if fetching:
                key = fetching.pop(which % len(fetching))
                effects = attempts.fetched(key, "no" if what == "broken" else None)
            case "ended" if running:
                effects = attempts.ended(running.pop(which % len(running)), DONE)
            case "lost":
                open_numbers.clear()
                effects = attempts.lost()
            case "drain":
                effects = attempts.drain()
        for effect in effects:
            match effect:
                case Fetch(key=key):
                    fetching.append(key)
                case Launch(key=key):
                    running.append(key)
                case Kill(key=key):
                    assert key in running
                case Say(
                    message=m.Ended(attempt=n) | m.Broken(attempt=n) | m.Stopped(attempt=n) | m.Returned(attempt=n)
                ):
                    open_numbers.remove(n)
                case Forget(key=key):
                    fetching = [each for each in fetching if each != key]
                    assert key not in running
        attempts.validate()
