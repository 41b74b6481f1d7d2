"""Messages through shared memory: whole, in order, whatever their size."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_worker import ring
from maelstrom_worker.ring import CAPACITY, Line, ProtocolError, create_memory


def pair() -> tuple[Line, Line]:
    memory = create_memory()
    try:
        return Line(memory, supervisor=True), Line(memory, supervisor=False)
    finally:
        os.close(memory)


def transfer(sender: Line, receiver: Line, messages: list[bytes]) -> list[bytes]:
    got: list[bytes] = []
    for message in messages:
        done = sender.send(message)
        while not done:
            got += receiver.receive()
            done = sender.flush()
    return got + receiver.receive()


@given(st.lists(st.binary(max_size=300), max_size=50))
def test_messages_arrive_whole_and_in_order_both_ways(messages: list[bytes]) -> None:
    one, other = pair()
    assert transfer(one, other, messages) == messages
    assert transfer(other, one, messages) == messages


@pytest.mark.parametrize("size", [CAPACITY - 5, CAPACITY - 4, CAPACITY, CAPACITY + 1, 5 * CAPACITY])
def test_a_message_larger_than_the_ring_goes_through_in_pieces(size: int) -> None:
    one, other = pair()
    message = os.urandom(size)
    assert transfer(one, other, [b"before", message, b"after"]) == [b"before", message, b"after"]
    assert not other.partial


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5))
def test_what_waits_can_be_seen_without_receiving_it(messages: list[bytes]) -> None:
    one, other = pair()
    assert (one.waiting(), other.waiting()) == (0, 0)
    for message in messages:
        assert one.send(message)
    assert (one.waiting(), other.waiting()) == (0, sum(map(len, messages)) + ring.HEADER * len(messages))
    assert other.receive() == messages
    assert other.waiting() == 0


def test_the_ring_wraps_around_many_times() -> None:
    one, other = pair()
    message = os.urandom(CAPACITY // 3)
    assert transfer(one, other, [message] * 20) == [message] * 20


def test_a_part_of_a_message_is_kept_until_the_rest_comes() -> None:
    one, other = pair()
    assert not one.send(b"x" * (CAPACITY + 10))
    assert other.receive() == []
    assert other.partial
    assert one.flush()
    assert other.receive() == [b"x" * (CAPACITY + 10)]


def test_an_impossible_length_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair()
    monkeypatch.setattr(ring, "MESSAGE_LIMIT", ring.BUFFER)
    one.send(b"x" * (ring.BUFFER + 1))
    with pytest.raises(ProtocolError):
        other.receive()


def test_the_control_word_is_seen_by_the_other_side() -> None:
    one, other = pair()
    one.set_word(2**63 + 1)
    one.set_hint(1)
    assert ring.lib.word_load(other.word) == 2**63 + 1
    assert ring.lib.word_load(other.hint) == 1


def test_shared_memory_has_no_name() -> None:
    before = set(os.listdir("/dev/shm"))
    lines = pair()
    assert set(os.listdir("/dev/shm")) <= before | {name for name in os.listdir("/dev/shm") if "maelstrom" not in name}
    assert lines
