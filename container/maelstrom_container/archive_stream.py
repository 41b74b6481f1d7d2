"""The bytes of an archive, decompressed on the way, never more of them than was agreed.

Recognises gzip, bzip2, xz and zstd by their first bytes. Bounds the ratio of decompression, the memory of xz and zstd,
and how far a reader may go (`allow`): that is what keeps a header of hostile size out of memory.
Imports nothing of the project but the errors.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Protocol

from maelstrom_core.errors import SpecError

_CHUNK = 1 << 18
_FEED = 1 << 15
"""Compressed bytes that are taken at once: what follows the end of a member is copied for each of thousands in it."""
_RATIO = 1000
_RATIO_GRACE = 1 << 28
"""Bytes that may come out whatever went in: a small archive of zeros is no attack."""
_XZ_MEMORY = 1 << 28
_ZSTD_WINDOW = 27
"""The logarithm of the largest window, in bytes: what zstd itself takes unless it is told otherwise."""
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class Readable(Protocol):
    """What an archive is read from; only at its end fewer bytes come than are asked for."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end."""


class _Decompressor(Protocol):
    """What bz2, lzma and zstd offer."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class ArchiveStream(io.RawIOBase):
    """A readable stream over an archive; `position` counts the bytes that were read from it.

    `observe` is called with all of them, as they are read: decompressed.
    """

    def __init__(self, raw: Readable, observe: Callable[[bytes], object] | None = None) -> None:
        """Look at the first bytes."""
        self._raw = raw
        self._observe = observe
        self._head = raw.read(8)
        self._consumed = len(self._head)
        self.position = 0
        self._allowed = 0
        self._kind = next((kind for magic, kind in _MAGIC.items() if self._head.startswith(magic)), None)
        self._decompressor = self._new()
        self._pending = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def allow(self, count: int) -> None:
        """Let the reader go `count` bytes further than it is now, and no more."""
        self._allowed = self.position + count

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, empty at the end.

        Raises SpecError beyond what is allowed or plausible and where it is damaged, EOFError where it ends too early.
        """
        room = self._allowed - self.position
        if room <= 0:
            raise SpecError("the archive has a header of excessive size")
        size = min(_CHUNK if size < 0 else size, room, _CHUNK)
        data = self._decompress(size) if self._kind else self._read_raw(size)
        self.position += len(data)
        if self.position > _RATIO_GRACE and self.position > _RATIO * self._consumed:
            raise SpecError(f"the archive decompresses to more than {_RATIO} times its size")
        if self._observe is not None:
            self._observe(data)
        return data

    def drain(self, most: int) -> None:
        """Read to the end, at most `most` bytes: only there does a compression tell whether what came was right.

        What is not compressed is read only where somebody observes all of it.
        Raises SpecError if there is more, and what `read` raises.
        """
        if not self._kind and self._observe is None:
            return
        end = self.position + most
        self.allow(most + 1)
        while self.read():
            if self.position > end:
                raise SpecError(f"the archive goes on for more than {most} bytes after its end mark")

    def _read_raw(self, size: int) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        data = self._raw.read(size)
        self._consumed += len(data)
        return data

    def _decompress(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof:
                # archives may be concatenated, and padded with zeros
                rest = self._decompressor.unused_data.lstrip(b"\0")
                while not rest:
                    padding = self._read_raw(_FEED)
                    if not padding:
                        return b""
                    rest = padding.lstrip(b"\0")
                self._decompressor, self._pending = self._new(), rest
            if self._decompressor.needs_input and not self._pending:
                self._pending = self._read_raw(_FEED)
                if not self._pending:
                    raise EOFError("the compressed data end too early")
            fed, self._pending = self._pending, b""
            try:
                data = self._decompressor.decompress(fed, size)
            except Exception as error:  # noqa: BLE001 - zlib.error, lzma.LZMAError, and of bz2 a bare OSError
                raise SpecError(f"the archive is damaged: {error}") from None
            if data:
                return data

    def _new(self) -> _Decompressor:
        if self._kind == "bzip2":
            import bz2

            return bz2.BZ2Decompressor()
        if self._kind == "xz":
            import lzma

            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        if self._kind == "zstd":
            from maelstrom_core.compression import zstd

            options = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW}
            return zstd.ZstdDecompressor(options=options)
        return _Gzip()


class _Gzip:
    """zlib's decompressor in the shape of the other two."""

    def __init__(self) -> None:
        import zlib

        self._object = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._object.decompress(self._object.unconsumed_tail + data, max_length)
        # more may be buffered inside though all input is used up
        self._full = len(out) == max_length
        return out
