"""Connections for artifacts: messages and content in any pieces, and what is refused."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.artifact_wire import (
    LARGEST_MESSAGE,
    NEED_DATA,
    ArtifactConnection,
    Content,
    Get,
    Go,
    Put,
    Refused,
    Stored,
    frame,
)
from maelstrom_core.messages import PROTOCOL, Goodbye, Hello
from maelstrom_core.wire import Closed, Connection, Greeted

DIGEST = "ab" * 32


def told(connection):
    events = []
    while (event := connection.next_event()) is not NEED_DATA:
        events.append(event)
    return events


@given(st.binary(max_size=200), st.lists(st.integers(1, 50)))
def test_messages_and_content_come_out_as_they_went_in_however_they_are_cut(content, cuts):
    stream = frame(Content(DIGEST, len(content))) + content + frame(Stored(DIGEST)) + frame(Refused(DIGEST, "why"))
    connection = ArtifactConnection("peer")
    seen, messages = b"", []
    while stream:
        cut = cuts.pop() if cuts else len(stream)
        connection.receive_data(stream[:cut])
        stream = stream[cut:]
        while (event := connection.next_event()) is not NEED_DATA:
            if isinstance(event, bytes):
                seen += event
                continue
            messages.append(event)
            if isinstance(event, Content):
                connection.expect_content(event.size)
    assert seen == content
    assert messages == [Content(DIGEST, len(content)), Stored(DIGEST), Refused(DIGEST, "why")]


@given(st.binary(max_size=300))
def test_whatever_comes_nothing_is_raised(data):
    connection = ArtifactConnection("broker")
    connection.receive_data(data)
    connection.receive_eof()
    assert isinstance(told(connection)[-1], Closed)
    assert connection.closed


def test_content_may_be_read_past_the_connection():
    connection = ArtifactConnection("broker", frame(Put(DIGEST, 10, 10)))
    assert told(connection) == [Put(DIGEST, 10, 10)]
    connection.expect_content(10)
    connection.received_content(10)
    connection.receive_data(frame(Get(DIGEST)))
    assert told(connection) == [Get(DIGEST)]


def test_a_message_that_is_too_long_or_has_a_body_closes():
    for lengths in [(LARGEST_MESSAGE + 1, 0), (10, 1), (0xFFFFFFFF, 0xFFFFFFFF)]:
        connection = ArtifactConnection("broker", struct.pack(">II", *lengths))
        (closed,) = told(connection)
        assert isinstance(closed, Closed)
        assert closed.fault


def test_what_the_other_side_may_not_say_closes():
    for message in [Go(), Stored(DIGEST)]:
        (closed,) = told(ArtifactConnection("broker", frame(message)))
        assert closed.fault
    for text in [
        b'{"type":"get","digest":"../../etc/passwd"}',
        b'{"type":"put","digest":"%s","size":-1,"length":1}' % b"a",
    ]:
        (closed,) = told(ArtifactConnection("broker", struct.pack(">II", len(text), 0) + text))
        assert closed.fault


def test_an_end_in_the_middle_is_a_fault_and_a_goodbye_is_none():
    connection = ArtifactConnection("broker", frame(Put(DIGEST, 10, 10)))
    told(connection)
    connection.expect_content(10)
    connection.receive_eof()
    assert told(connection)[0].fault
    (closed,) = told(ArtifactConnection("broker", frame(Goodbye("enough\n"))))
    assert closed == Closed("enough?")


def test_what_follows_the_hello_of_a_connection_for_artifacts_is_not_looked_at():
    connection = Connection("broker")
    artifacts = Connection("artifacts")
    artifacts.greet(Hello(PROTOCOL, "artifacts", "token"))
    connection.receive_data(b"".join(artifacts.data_to_send()) + b"\xff" * 20)
    assert [type(event) for event in connection.events()] == [Greeted]
    connection.receive_data(b"more")
    assert connection.rest() == b"\xff" * 20 + b"more"
    assert not connection.closed
