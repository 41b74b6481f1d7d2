"""What must be true of a connection, whatever bytes come: `check` raises AssertionError where it is not."""

from __future__ import annotations

import struct
from random import Random

import msgspec

from maelstrom_core.messages import PROTOCOL, Hello, Offer, Role
from maelstrom_core.wire import Bounds, Closed, Connection, Event, Greeted, Received

BOUNDS = Bounds(json=4096, body=8192, queued=65536, hello=1024)

TEXTS = (
    *(
        b'{"type":"heartbeat"}',
        b'{"type":"cancel","sequence":-1}',
        b'{"type":"goodbye","reason":"\\u001b[2J"}',
        b"null",
    ),
    *(
        b"1e999",
        b"-0",
        b"9007199254740993",
        b'"\\ud800"',
        b'"\\ud800\\udc00"',
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"[" * 3000,
    ),
    *(
        b'{"a":' * 500,
        b'"type":"submit",',
        b",",
        b"}",
        b"[]",
        b"true",
        b"1.5",
        b"\x00",
        b'"' + b"a" * 9000 + b'"',
        b" ",
    ),
)


def run(role: Role, data: bytes, steps: list[int]) -> list[Event]:
    """Return what a connection makes of these bytes, which come in pieces of these lengths, over and over."""
    connection = Connection(role, BOUNDS)
    events: list[Event] = []
    position = turn = 0
    while position < len(data):
        step = steps[turn % len(steps)]
        connection.receive_data(data[position : position + step])
        events += connection.events()
        position += step
        turn += 1
    connection.receive_eof()
    events += connection.events()
    connection.data_to_send()
    return events


def check(role: Role, data: bytes, steps: list[int]) -> str:
    """One end, a first frame first, the same however the bytes are cut, and whatever was taken can be sent on."""
    events = run(role, data, steps)
    assert events == run(role, data, [len(data) or 1]), "the events depend on how the bytes were cut"
    *before, last = events
    assert isinstance(last, Closed), "the last event is not the end"
    assert not any(isinstance(event, Closed) for event in before), "more than one end"
    assert all(isinstance(event, Greeted) == (place == 0) for place, event in enumerate(before)), (
        "greeted twice, or late"
    )
    for event in before:
        value = event.message if isinstance(event, Received) else event.hello if isinstance(event, Greeted) else None
        again = msgspec.json.decode(msgspec.json.encode(value), type=type(value))
        assert again == value, "what was received cannot be sent on"
    assert last.reason.isprintable(), last.reason
    assert len(last.reason) <= 500
    return last.reason


def mutate(data: bytes, random: Random) -> bytes:
    """Return a stream made of another; most keep their lengths right, so that changes get past the first look."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(7):
            case 0 if at < len(changed):
                changed[at] = random.choice((0, 0xFF, 0x80, 0x22, 0x5B, random.randrange(256)))
            case 1:
                del changed[at : at + random.randint(1, 20)]
            case 2:
                changed[at:at] = bytes(changed[at : at + random.randint(1, 300)])
            case 3:
                text = random.choice(TEXTS)
                changed[at:at] = struct.pack(">II", len(text), 0) + text
            case _:
                # of one frame after the first, so that the JSON is another and the length right
                changed = _other_json(changed, random)
    return bytes(changed)


def _other_json(data: bytearray, random: Random) -> bytearray:
    position = 0
    frames: list[tuple[int, int, int]] = []
    while position + 8 <= len(data):
        json_length, body_length = struct.unpack_from(">II", data, position)
        frames.append((position, json_length, body_length))
        position += 8 + json_length + body_length
    if not frames:
        return data
    position, json_length, body_length = random.choice(frames)
    text = data[position + 8 : position + 8 + json_length]
    at = random.randrange(len(text) + 1)
    text[at : at + random.randint(0, 3)] = random.choice(TEXTS)
    data[position : position + 8 + json_length] = struct.pack(">II", len(text), body_length) + text
    return data


def seeds() -> list[tuple[Role, bytes]]:
    """Return streams that are right, to be mutated."""
    from maelstrom_core import messages as m

    digest = "ab" * 32
    streams: list[tuple[Role, Hello, list[tuple[m.AnyMessage, bytes]]]] = [
        (
            "client",
            Hello(PROTOCOL, "client", name="c", token="t"),
            [
                (m.Submit(1, (m.Artifact(digest, manifest=True),), 3, 2.5, 2, 1 << 30, ("gpu",)), b"job"),
                (m.Cancel(1), b""),
                (m.NoArtifact(digest, "gone"), b""),
            ],
        ),
        (
            "worker",
            Hello(PROTOCOL, "worker", offer=Offer(4, 1 << 34, ("arch=arm64",))),
            [
                (m.Holding((digest,), (digest,)), b""),
                (m.Started(1), b""),
                (m.Ended(1), b"outcome"),
                (m.Broken(2, "disk full"), b""),
                (m.Draining(), b""),
            ],
        ),
        (
            "admin",
            Hello(PROTOCOL, "admin", token="t"),
            [(m.GetStatus(), b""), (m.GetJobs(9, "queued"), b""), (m.Drain("w"), b""), (m.CancelJob(1, 2), b"")],
        ),
    ]
    found: list[tuple[Role, bytes]] = []
    for role, hello, sent in streams:
        connection = Connection(role, BOUNDS)
        connection.greet(hello)
        for message, body in sent:
            connection.send(message, body)
        connection.close("done")
        found.append(("broker", b"".join(connection.data_to_send())))
    broker = Connection("broker", BOUNDS)
    broker.greet(Hello(PROTOCOL, "broker"))
    broker.send(m.Finished(1, "w", 2), b"outcome")
    broker.send(m.Failed(2, "gave up", (m.LostAttempt("w", "died"),)))
    found.append(("client", b"".join(broker.data_to_send())))
    return found
