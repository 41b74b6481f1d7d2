"""The name of content: BLAKE3, 256 bits, written as 64 lower-case hexadecimal digits.

Imports nothing of the project but `errors`; blake3 is loaded when something is hashed.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from maelstrom_core.errors import SpecError

DIGEST_LENGTH = 64
"""Hexadecimal digits."""

_CHUNK = 1024 * 1024
_DIGITS = frozenset("0123456789abcdef")


class Digest(msgspec.Struct, frozen=True, order=True):
    """A checked digest. Made with a wrong text it raises ValueError, so a decoder of messages refuses it."""

    hex: str

    def __post_init__(self) -> None:
        if len(self.hex) != DIGEST_LENGTH:
            raise ValueError(
                f"a digest has {DIGEST_LENGTH} hexadecimal digits, this text has {len(self.hex)} characters"
            )
        for position, character in enumerate(self.hex):
            if character not in _DIGITS:
                raise ValueError(f"a digest has hexadecimal digits only, character {position + 1} is {character!r}")

    def __str__(self) -> str:
        return self.hex

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Return the digest that `text` is; raise SpecError for a wrong length or a wrong character."""
        try:
            return cls(text)
        except ValueError as error:
            raise SpecError(str(error), hint="digits are 0 to 9 and a to f") from None

    @classmethod
    def of_bytes(cls, data: bytes | bytearray | memoryview) -> Digest:
        """Return the digest of `data`."""
        from blake3 import blake3

        return cls(blake3(data).hexdigest())

    @classmethod
    def of_file(cls, path: str | Path) -> Digest:
        """Return the digest of a file's content, read piece by piece; raises OSError.

        Not mapped into memory: a file that is cut off meanwhile would kill the process.
        """
        from blake3 import blake3

        hasher = blake3()
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        with Path(path).open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                hasher.update(view[:count])
        return cls(hasher.hexdigest())
