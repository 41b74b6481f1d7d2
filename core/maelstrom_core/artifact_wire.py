"""A connection that carries artifacts, without any input or output: docs/protocol.md, "Artifacts".

It begins like every other, with a `Hello` of the role `artifacts` (see `wire`), and the broker's. From then on these
messages, each a frame without a body; and content, which is raw bytes that a message has announced:

    Get      -> Content, and the bytes              or Refused
    Put      -> Go; the bytes; Stored or Refused    or Stored, if it is there already, or Refused

    connection.receive_data(socket.recv(65536))
    while (event := connection.next_event()) is not NEED_DATA: ...

While `left` is not 0 the next bytes are content: a driver that reads them into a buffer of its own says so by
`received_content`. Nothing is raised for what the other side sends: a `Closed` tells what was wrong with it.
May import `messages` and `wire`.
"""

from __future__ import annotations

import enum
import struct
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from maelstrom_core.messages import DigestText, Goodbye, Message, Number, Text
from maelstrom_core.wire import HEADER, REASON, Closed

LARGEST_MESSAGE = 16 << 10
"""Bytes of a message's JSON."""
LARGEST_ARTIFACT = 1 << 40
"""Bytes of one artifact, whatever the bounds of those who store it."""

Size = Annotated[int, Meta(ge=0, le=LARGEST_ARTIFACT)]
Encoding = Literal["plain", "zstd"]

_LENGTHS = struct.Struct(">II")


class Get(Message, frozen=True, tag="get"):
    """Send me this."""

    digest: DigestText
    last: bool = False
    """Nobody needs it when I have it; of outputs."""


class Put(Message, frozen=True, tag="put"):
    """I have this for you: `size` bytes, which take `length` on the way."""

    digest: DigestText
    size: Size
    length: Size
    encoding: Encoding = "plain"
    output: bool = False
    """It is what a job has printed, of which no other job will have need: kept apart, and not for long."""


class Go(Message, frozen=True, tag="go"):
    """Send what you have offered."""


class Stored(Message, frozen=True, tag="stored"):
    """It is here, whole and checked; or was already."""

    digest: DigestText


class Content(Message, frozen=True, tag="content"):
    """Here it comes: `size` bytes behind this message."""

    digest: DigestText
    size: Number


class Refused(Message, frozen=True, tag="refused"):
    """It cannot be sent, or was not taken. `again` tells whether another attempt may go better."""

    digest: DigestText
    reason: Text
    again: bool = False


class NeedData(enum.Enum):
    """Says that nothing is to be told until more has come."""

    NEED_DATA = enum.auto()


NEED_DATA = NeedData.NEED_DATA

ToBroker = Get | Put | Goodbye
FromBroker = Content | Go | Stored | Refused | Goodbye
AnyArtifactMessage = Get | Put | Content | Go | Stored | Refused | Goodbye
Event = AnyArtifactMessage | bytes | Closed | NeedData
"""Bytes are content."""

_encode = msgspec.json.Encoder().encode
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "broker": msgspec.json.Decoder(ToBroker),
    "peer": msgspec.json.Decoder(FromBroker),
}


class ArtifactConnection:
    """One end, when both have said hello. `initial` is what came behind the other side's."""

    def __init__(self, side: Literal["broker", "peer"], initial: bytes = b"") -> None:
        self._decode = _DECODERS[side].decode
        self._incoming = bytearray(initial)
        self._ended = False
        self.left = 0
        """Bytes of content that have not come yet."""
        self.closed = False

    def receive_data(self, data: bytes | memoryview) -> None:
        """Take what has come."""
        self._incoming += data

    def receive_eof(self) -> None:
        """Take note that nothing more will come."""
        self._ended = True

    def expect_content(self, length: int) -> None:
        """Take the next bytes for content: when `Go` was sent, or `Content` has come."""
        self.left = length

    def received_content(self, count: int) -> None:
        """Take note that so many bytes of content were read past this object."""
        if count > self.left or self._incoming:
            raise ValueError("bytes that are not content, or not the next")
        self.left -= count

    def take_buffered(self, view: memoryview) -> int:
        """Move what there is of content into a buffer, as much as fits; return how many bytes that is."""
        count = min(len(view), self.left, len(self._incoming))
        if count:
            view[:count] = self._incoming[:count]
            del self._incoming[:count]
            self.left -= count
        return count

    def next_event(self) -> Event:
        """Return the next message, or the content there is; NEED_DATA where more must come first; last a Closed."""
        if self.closed:
            return NEED_DATA
        if self.left and self._incoming:
            content = bytes(memoryview(self._incoming)[: self.left])
            del self._incoming[: len(content)]
            self.left -= len(content)
            return content
        message = None if self.left else self._message()
        if message is not None:
            return message
        if self._ended:
            middle = bool(self.left or self._incoming)
            where = " in the middle of an artifact or message" if middle else ""
            return self._closed(f"the other side closed the connection{where}", fault=middle)
        return NEED_DATA

    def _message(self) -> AnyArtifactMessage | Closed | None:
        incoming = self._incoming
        if len(incoming) < HEADER:
            return None
        length, body = _LENGTHS.unpack_from(incoming)
        if length > LARGEST_MESSAGE or body:
            return self._closed(f"a message of {length} bytes with a body of {body}: too long", fault=True)
        if len(incoming) < HEADER + length:
            return None
        data = bytes(memoryview(incoming)[HEADER : HEADER + length])
        del incoming[: HEADER + length]
        try:
            message: AnyArtifactMessage = self._decode(data)
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            return self._closed(f"a message that is none: {error}", fault=True)
        if isinstance(message, Goodbye):
            return self._closed(message.reason, fault=False)
        return message

    def _closed(self, reason: str, *, fault: bool) -> Closed:
        self.closed = True
        return Closed("".join(each if each.isprintable() else "?" for each in reason[:REASON]), fault)


def frame(message: AnyArtifactMessage) -> bytes:
    """Return a message as it is sent."""
    if isinstance(message, Refused | Goodbye):
        message = msgspec.structs.replace(message, reason=message.reason[:REASON])
    data = _encode(message)
    return _LENGTHS.pack(len(data), 0) + data
