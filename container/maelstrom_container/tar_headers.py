"""tarfile's reading of headers, made strict and bounded. An archive may be hostile.

What is damaged is an error, wherever it stands; chains of headers are bounded; names are the bytes that stand there,
whatever the locale. Of extended headers tarfile sees what layers have a use for: on Pythons before 3.11.10 and 3.12.6
it takes a time that grows with the square of their size (CVE-2024-6232), and it remembers all global ones.
Imports nothing of the project but the errors.
"""

from __future__ import annotations

import io
import tarfile
from typing import Any, Self

from maelstrom_core.errors import SpecError

_CHAIN = 64
"""Headers that one member may have before its own: each is a recursion of tarfile's."""
_HEEDED = {b"path": 1 << 13, b"linkpath": 1 << 13, b"size": 64, b"mtime": 64, b"hdrcharset": 64}
"""The records that matter, and how long each may be, in bytes: a little more than anything that can be right."""
_LENGTH_DIGITS = 8


class Archive(tarfile.TarFile):
    """An archive that knows how many headers it is in the middle of."""

    depth = 0


def open_archive(stream: io.RawIOBase, bufsize: int) -> Archive:
    """Return an archive that is read from a stream. Raises what `Archive.next` does."""
    file: Any = stream  # all that tarfile asks of it is `read`
    return Archive.open(fileobj=file, mode="r|", tarinfo=_Header, bufsize=bufsize, encoding="utf-8")


def encode(name: str) -> bytes:
    """Return the bytes of a name of a member."""
    return name.encode("utf-8", "surrogateescape")


def refuse_sparse(shown: str) -> SpecError:
    """Return the error for a sparse file: how much there is of it is its own claim."""
    return SpecError(f"the archive holds a sparse file: {shown}", hint="create it without --sparse")


class _Header(tarfile.TarInfo):
    """A member; unlike tarfile's own, a damaged header after the first is an error, not the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0:
            raise tarfile.InvalidHeaderError("a size is negative")  # type: ignore[attr-defined]
        return header

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        if not isinstance(archive, Archive) or archive.depth >= _CHAIN:
            raise tarfile.ReadError(f"a member has more than {_CHAIN} headers")
        archive.depth += 1
        try:
            return super().fromtarfile(archive)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        finally:
            archive.depth -= 1

    def _proc_pax(self, archive: Any) -> Any:
        """Read an extended header, and have tarfile read what is left of it."""
        file = archive.fileobj
        data = file.read(-(-self.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)[: self.size]
        kept = b"".join(_record(key, value) for key, value in _heeded(data).items())
        self.size = len(kept)
        archive.fileobj = _Again(kept.ljust(-(-len(kept) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, b"\0"), file)
        try:
            return super()._proc_pax(archive)  # type: ignore[misc]
        finally:
            archive.fileobj = file


class _Again:
    """A file that begins with what was read from it before, or with something else."""

    def __init__(self, first: bytes, file: Any) -> None:
        self._first = first
        self._file = file

    def read(self, size: int) -> bytes:
        if self._first:
            first, self._first = self._first[:size], self._first[size:]
            return first
        data: bytes = self._file.read(size)
        return data

    def tell(self) -> int:
        position: int = self._file.tell()
        return position


def _heeded(data: bytes) -> dict[bytes, bytes]:
    """Return the records of an extended header that matter. Raises ReadError if it is damaged, SpecError if sparse."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + _LENGTH_DIGITS + 1)
        length = data[at:space] if space > at else b""
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=") if space + 1 < end <= len(data) else (b"",) * 3
        if not key or not equals or data[end - 1] != ord("\n"):
            raise tarfile.ReadError("an extended header cannot be read")
        if key.startswith(b"GNU.sparse."):
            raise refuse_sparse("one with an extended header")
        if key in _HEEDED:
            if len(value) > _HEEDED[key]:
                raise tarfile.ReadError(f"{key.decode()} is too long in an extended header")
            found[key] = value
        at = end
    # an empty value takes back what was said before
    return {key: value for key, value in found.items() if value}


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest
    while length != rest + len(str(length)):  # it counts its own digits
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
