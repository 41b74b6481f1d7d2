"""Where images come from, and how one is found there: what `layout` and `registry` have in common.

A source gives a document to begin with, and other documents and layers by descriptor. None of it is believed: a
document is compared with its descriptor before it is parsed, a layer while it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from maelstrom_container.archive_stream import Readable
from maelstrom_container.images.documents import (
    MAXIMUM_DEPTH,
    MAXIMUM_DOCUMENT,
    Descriptor,
    Image,
    Index,
    Manifest,
    Platform,
    choose_platform,
    digest_of,
    parse_document,
    parse_image,
    short,
)
from maelstrom_core.errors import InfrastructureError, MaelstromError, SpecError, UserError

_CHUNK = 1 << 18

Damaged = Callable[[str], MaelstromError]
"""Makes an error of what is wrong with the contents of a source."""


class Source(Protocol):
    """Gives documents and layers of one image. May be used by several threads."""

    def document(self, descriptor: Descriptor) -> bytes:
        """Return a document, checked. Raises MaelstromError."""

    def layer(self, descriptor: Descriptor) -> AbstractContextManager[CheckedStream]:
        """Open the archive of a layer. Raises MaelstromError."""


class DamagedLocallyError(UserError):
    """A file of the user's is not what the image says that it is."""


class DamagedRemotelyError(InfrastructureError):
    """A registry sends something else than what was asked for."""


def find_image(
    document: Index | Manifest, fetch: Callable[[Descriptor], bytes], platform: Platform, what: str
) -> Image:
    """Return the image for a platform that a document leads to; `fetch` returns checked documents.

    Raises UserError if there is none, SpecError where a document is malformed, and what `fetch` raises.
    """
    for _ in range(MAXIMUM_DEPTH):
        if isinstance(document, Manifest):
            return parse_image(document, fetch(document.config), platform, what)
        chosen = choose_platform(document, platform, what)
        document = parse_document(fetch(chosen), chosen.media_type, what)
    raise SpecError(f"{what} has more than {MAXIMUM_DEPTH} indexes within each other")


def check_size(descriptor: Descriptor, what: str) -> None:
    """Raise SpecError if something is too large for a document: before it is read."""
    if descriptor.size > MAXIMUM_DOCUMENT:
        raise SpecError(f"{what} has a document of {descriptor.size} bytes, more than {MAXIMUM_DOCUMENT}")


def check_document(data: bytes, descriptor: Descriptor, damaged: Damaged) -> bytes:
    """Return a document if it is what the descriptor says; else raise what `damaged` makes."""
    if len(data) != descriptor.size:
        raise damaged(f"{short(descriptor.digest)} has {len(data)} bytes, not {descriptor.size}")
    found = digest_of(data, descriptor.digest.partition(":")[0])
    if found != descriptor.digest:
        raise damaged(f"the contents of {short(descriptor.digest)} have the digest {short(found)}")
    return data


class CheckedStream:
    """A layer's archive as it is read: never more of it than was announced, and at its end the right digest.

    Use `finish` when nothing more is wanted: whatever was read before is to be thrown away if it raises.
    """

    def __init__(self, raw: Readable, descriptor: Descriptor, damaged: Damaged) -> None:
        self._raw = raw
        self._descriptor = descriptor
        self._damaged = damaged
        self._hash = hashlib.new(descriptor.digest.partition(":")[0])
        self._left = descriptor.size

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end. Raises what `damaged` makes if the end comes too early."""
        wanted = min(size, self._left)
        pieces = []
        while wanted:
            piece = self._raw.read(wanted)
            if not piece:
                read = self._descriptor.size - self._left
                raise self._damaged(
                    f"{short(self._descriptor.digest)} ends after {read} of {self._descriptor.size} bytes"
                )
            self._hash.update(piece)
            self._left -= len(piece)
            wanted -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Read the rest, and raise what `damaged` makes if all together was not what was announced."""
        while self._left:
            self.read(_CHUNK)
        found = self._hash.hexdigest()
        algorithm, _, expected = self._descriptor.digest.partition(":")
        if found != expected:
            raise self._damaged(
                f"the contents of {short(self._descriptor.digest)} have the digest {algorithm}:{found[:12]}"
            )
