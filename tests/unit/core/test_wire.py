"""The sans-I/O connection: any split gives the same messages, any garbage gives one reason and no exception."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maelstrom_core import messages as m
from maelstrom_core.wire import DEFAULT_BOUNDS, Bounds, Closed, Connection, Event, Greeted, Received
from tests.fuzz.wire import attempt
from tests.fuzz.wire_target import check

CLIENT = m.Hello(m.PROTOCOL, "client", name="c1", features=("states",))
WORKER = m.Hello(m.PROTOCOL, "worker", name="w1", offer=m.Offer(4, 1 << 30, ("arch=x86_64",)))
BROKER = m.Hello(m.PROTOCOL, "broker")
DIGEST = "0123456789abcdef" * 4


def frame(data: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">II", len(data), len(body)) + data + body


def greeted(hello: m.Hello = CLIENT, bounds: Bounds = DEFAULT_BOUNDS) -> tuple[Connection, Connection]:
    """A client's end and a broker's, which have greeted each other."""
    near, far = Connection(hello.role, bounds), Connection("broker", bounds)
    near.greet(hello)
    assert pump(near, far) == [Greeted(hello)]
    far.greet(BROKER)
    assert pump(far, near) == [Greeted(BROKER)]
    return near, far


def pump(source: Connection, target: Connection) -> list[Event]:
    target.receive_data(b"".join(source.data_to_send()))
    return target.events()


def reason(events: list[Event]) -> str:
    """The reason of the one event, a fault."""
    (event,) = events
    assert isinstance(event, Closed)
    assert event.fault
    return event.reason


texts = st.text(max_size=20)
submits = st.builds(
    m.Submit,
    sequence=st.integers(0, (1 << 53) - 1),
    layers=st.lists(st.builds(m.Artifact, st.just(DIGEST), st.booleans()), max_size=3).map(tuple),
    priority=st.integers(-1000, 1000),
    estimate=st.none() | st.floats(0, 1e9),
    slots=st.integers(1, 1000),
    labels=st.lists(st.text(min_size=1, max_size=10), max_size=3).map(tuple),
)
from_clients = st.one_of(
    st.tuples(submits, st.binary(max_size=50)),
    st.tuples(st.builds(m.Cancel, st.integers(0, 100)), st.just(b"")),
    st.tuples(st.builds(m.NoArtifact, st.just(DIGEST), texts), st.just(b"")),
    st.tuples(st.just(m.Heartbeat()), st.just(b"")),
)


@given(st.lists(from_clients, max_size=8), st.data())
def test_any_split_of_a_stream_gives_the_same_messages(
    sent: list[tuple[m.Message, bytes]], data: st.DataObject
) -> None:
    near, far = Connection("client"), Connection("broker")
    near.greet(CLIENT)
    for message, body in sent:
        near.send(message, body)
    stream = b"".join(near.data_to_send())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    events: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        far.receive_data(stream[start:end])
        events += far.events()
    assert events == [Greeted(CLIENT), *(Received(message, body) for message, body in sent)]
    far.receive_eof()
    assert far.events() == [Closed("the other side closed the connection")]


@given(st.binary(max_size=200), st.sampled_from(["broker", "client", "worker"]))
@settings(max_examples=300)
def test_garbage_gives_one_reason_and_never_an_exception(data: bytes, role: m.Role) -> None:
    check(role, data, [7])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    ),
    st.sampled_from(["submit", "cancel", "heartbeat", "x"]),
)
def test_json_that_is_no_message_closes_the_connection(value: object, tag: str) -> None:
    _, far = greeted()
    fields = value if isinstance(value, dict) else {"sequence": value}
    far.receive_data(frame(msgspec.json.encode({**fields, "type": tag})))
    (event,) = far.events()
    assert isinstance(event, Received) or event.fault


def test_mutated_streams_end_with_a_reason() -> None:
    """A thousand of those of `python -m tests.fuzz.wire`."""
    assert len({attempt(1, number) for number in range(1000)}) > 50


def test_roles_say_what_is_theirs_only() -> None:
    for hello, message in ((CLIENT, m.Started(1)), (WORKER, m.Cancel(1)), (CLIENT, m.Drain("w"))):
        near, far = greeted(hello)
        near.send(message)
        assert "a message that is none" in reason(pump(near, far))
        assert isinstance(pump(far, near)[0], Closed)
        assert near.closed
        assert far.closed


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (
            b'{"type":"hello","protocol":7,"role":"poet","new":[1]}',
            "version 7 of the protocol, this one version 1: upgrade this one",
        ),
        (b'{"type":"hello","protocol":0}', "upgrade the other"),
        (b'{"type":"hello","protocol":1,"role":"poet"}', "a message that is none"),
        (b'{"type":"submit","sequence":1}', "a message that is none"),
        (b'{"type":"hello","protocol":1,"role":"worker"}', "a worker says what it offers"),
        (b'{"type":"hello","protocol":1,"role":"client"}', "a client has a name"),
        (b'{"type":"hello","protocol":1,"role":"broker"}', "a broker has nothing to say to a broker"),
        (b"GET / HTTP/1.1", "a message that is none"),
    ],
)
def test_a_first_frame_that_does_not_fit_is_refused_with_the_reason(first: bytes, why: str) -> None:
    connection = Connection("broker")
    connection.receive_data(frame(first))
    assert why in reason(connection.events())
    near = Connection("client")
    (event,) = pump(connection, near)
    assert isinstance(event, Closed)
    assert why in event.reason


def test_unknown_fields_are_passed_over_in_the_first_frame_and_refused_later() -> None:
    far = Connection("broker")
    far.receive_data(frame(b'{"type":"hello","protocol":1,"role":"client","name":"c","colour":"red"}'))
    assert isinstance(far.events()[0], Greeted)
    far.receive_data(frame(b'{"type":"cancel","sequence":1,"colour":"red"}'))
    assert "unknown field" in reason(far.events())


def test_lengths_are_refused_before_what_they_announce_has_come() -> None:
    bounds = Bounds(json=100, body=1000, hello=50)
    for before, header in (
        (False, (51, 0)),
        (False, (2, 1)),
        (True, (101, 0)),
        (True, (2, 1001)),
        (True, (0xFFFFFFFF, 0xFFFFFFFF)),
    ):
        far = Connection("broker", bounds)
        if before:
            far.receive_data(frame(b'{"type":"hello","protocol":1,"role":"monitor"}'))
            far.events()
        far.receive_data(struct.pack(">II", *header))
        assert "too long" in reason(far.events())


def test_plain_http_is_seen_to_be_no_frame() -> None:
    far = Connection("broker")
    far.receive_data(b"GET / HTTP/1.1\r\n")
    assert "too long for the first" in reason(far.events())


def test_a_body_comes_only_with_messages_that_have_one() -> None:
    _, far = greeted()
    far.receive_data(frame(b'{"type":"heartbeat"}', b"x"))
    assert "a body with a message that has none: heartbeat" in reason(far.events())


def test_nothing_is_looked_at_after_the_end() -> None:
    near, far = greeted()
    near.send(m.Cancel(1))
    near.close("enough")
    near.send(m.Cancel(2))
    assert pump(near, far) == [Received(m.Cancel(1)), Closed("enough")]
    far.receive_data(b"x" * 100)
    far.receive_eof()
    assert far.events() == []


def test_the_end_within_a_message_is_a_fault() -> None:
    _, far = greeted()
    far.receive_data(frame(b'{"type":"heartbeat"}')[:-1])
    far.receive_eof()
    assert "in the middle of a message" in reason(far.events())


def test_what_waits_is_counted_and_a_slow_reader_cut_off() -> None:
    near, _ = greeted(bounds=Bounds(queued=1000))
    near.send(m.Submit(1), b"x" * 500)
    assert 500 < near.queued < 600
    near.send(m.Submit(2), b"x" * 500)
    assert "reads too slowly" in reason(near.events())
    assert near.queued == 0
    assert near.data_to_send() == []


def test_taking_the_data_makes_room() -> None:
    near, far = greeted(bounds=Bounds(queued=1000))
    for number in range(10):
        near.send(m.Submit(number), b"x" * 500)
        assert len(pump(near, far)) == 1
    assert near.queued == 0


def test_what_the_other_side_would_refuse_is_not_sent() -> None:
    near, far = greeted(bounds=Bounds(json=100, body=10))
    with pytest.raises(ValueError, match="too large to be sent"):
        near.send(m.Submit(1), b"x" * 11)
    with pytest.raises(ValueError, match="too large to be sent"):
        near.send(m.NoArtifact(DIGEST, "x" * 100))
    assert pump(near, far) == []


def test_a_long_reason_is_cut() -> None:
    near, far = greeted()
    near.close("x" * 100_000)
    (event,) = pump(near, far)
    assert isinstance(event, Closed)
    assert len(event.reason) == 500
