"""Images on this machine: a directory with an OCI layout, or an uncompressed tar archive of one.

    oci-layout      says that it is one
    index.json      leads to the images, by tag
    blobs/ALGORITHM/DIGITS

Imports the names, the documents and what all sources have in common.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec

from maelstrom_container.archive_stream import Readable
from maelstrom_container.images.documents import (
    MAXIMUM_DOCUMENT,
    OCI_INDEX,
    Descriptor,
    Index,
    choose_tag,
    parse_document,
)
from maelstrom_container.images.name import LayoutName
from maelstrom_container.images.source import CheckedStream, DamagedLocallyError, check_document, check_size
from maelstrom_core.errors import UserError

_MAXIMUM_HEADER = 1 << 20
_MAXIMUM_MEMBERS = 100_000
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class _Files(Protocol):
    """Files by their name in a layout."""

    def open(self, name: str) -> tuple[io.RawIOBase, int] | None:
        """Open a file, and say how many bytes it has; None if there is none."""


class _Layout(msgspec.Struct, rename="camel"):
    image_layout_version: str = ""


class LayoutSource:
    """The source of one image of a layout."""

    def __init__(self, name: LayoutName, path: str) -> None:
        """Open it; `path` is absolute. Raises UserError if there is none, or it is none."""
        self._what = f"the image {name}"
        try:
            self._files: _Files = ArchiveFiles(path, self._what) if name.archive else DirectoryFiles(path)
        except OSError as error:
            raise UserError(f"failed to open {self._what}: {path}: {error.strerror}") from None
        self._check_version()
        index = parse_document(self._read("index.json"), OCI_INDEX, f"index.json of {self._what}")
        if not isinstance(index, Index):
            raise UserError(f"{self._what} is malformed: its index.json is no index")
        self.index = choose_tag(index, name.tag, self._what)

    def document(self, descriptor: Descriptor) -> bytes:
        """Return a document, checked."""
        check_size(descriptor, self._what)
        return check_document(self._read(_blob(descriptor)), descriptor, self._damaged)

    @contextmanager
    def layer(self, descriptor: Descriptor) -> Iterator[CheckedStream]:
        """Open the archive of a layer."""
        raw, _ = self._open(_blob(descriptor))
        with raw:
            yield CheckedStream(_Reader(raw), descriptor, self._damaged)

    def _check_version(self) -> None:
        opened = self._files.open("oci-layout")
        if opened is None:
            raise UserError(
                f"{self._what} has no OCI layout: the file oci-layout is missing",
                hint="`skopeo copy` makes one of an image in any other form",
            )
        opened[0].close()
        try:
            version = msgspec.json.decode(self._read("oci-layout"), type=_Layout).image_layout_version
        except (msgspec.MsgspecError, UnicodeDecodeError):
            version = ""
        if not version.startswith("1."):
            raise UserError(f"{self._what} has an OCI layout of a version that is not supported")

    def _read(self, name: str) -> bytes:
        raw, size = self._open(name)
        with raw:
            if size > MAXIMUM_DOCUMENT:
                raise UserError(f"{self._what} is malformed: {name} has more than {MAXIMUM_DOCUMENT} bytes")
            return raw.read(size) or b""

    def _open(self, name: str) -> tuple[io.RawIOBase, int]:
        try:
            opened = self._files.open(name)
        except OSError as error:
            raise UserError(f"failed to read {name} of {self._what}: {error.strerror}") from None
        if opened is None:
            raise UserError(f"{self._what} is incomplete: {name} is missing")
        return opened

    def _damaged(self, problem: str) -> DamagedLocallyError:
        return DamagedLocallyError(f"{self._what} is damaged: {problem}", hint="make or copy it anew")


class DirectoryFiles:
    """The files of a directory."""

    def __init__(self, path: str) -> None:
        """Look whether it is one. Raises OSError."""
        os.listdir(path)
        self._path = path

    def open(self, name: str) -> tuple[io.RawIOBase, int] | None:
        """Open a file; what is no regular file is none."""
        try:
            # a pipe in its place would have us wait
            descriptor = os.open(f"{self._path}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return None
        return io.FileIO(descriptor), status.st_size


class ArchiveFiles:
    """The files of a tar archive, where they are: nothing is unpacked."""

    def __init__(self, path: str, what: str) -> None:
        """Look for them. Raises OSError, and UserError if it is no archive, or a compressed one."""
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        with _Headers(path) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UserError(f"failed to open {what}: {path} is no regular file")
            head = file.read(6)
            kind = next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), None)
            if kind is not None:
                raise UserError(
                    f"{what} is compressed with {kind}, so that nothing can be found in it", hint="decompress it first"
                )
            file.seek(0)
            size = os.fstat(file.fileno()).st_size
            try:
                self._find(file, size, what)
            except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
                raise UserError(f"{what} is no tar archive, or a damaged one: {error}") from None

    def open(self, name: str) -> tuple[io.RawIOBase, int] | None:
        """Open a member."""
        place = self._places.get(name)
        if place is None:
            return None
        file = io.FileIO(self._path)
        file.seek(place[0])
        return _Section(file, place[1]), place[1]

    def _find(self, file: io.FileIO, size: int, what: str) -> None:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            count = 0
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else all of them stay in memory
                count += 1
                if count > _MAXIMUM_MEMBERS:
                    raise UserError(f"{what} has more than {_MAXIMUM_MEMBERS} files")
                if member.isreg() and not member.issparse():
                    if member.offset_data + member.size > size:
                        raise UserError(f"{what} is damaged: it ends in the middle of {member.name[:200]!r}")
                    name = member.name.removeprefix("./")
                    self._places[name] = (member.offset_data, member.size)


class _Headers(io.FileIO):
    """A file of which only headers are read, by somebody who believes the sizes that they announce."""

    def __init__(self, path: str) -> None:
        super().__init__(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MAXIMUM_HEADER:
            raise tarfile.ReadError("it has a header of excessive size")
        return super().read(size) or b""


class _Section(io.RawIOBase):
    """A part of a file, from where it stands."""

    def __init__(self, file: io.FileIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: self._left]
        count = self._file.readinto(view) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Reader(Readable):
    """A raw stream as an archive is read."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw

    def read(self, size: int, /) -> bytes:
        return self._raw.read(size) or b""


def _blob(descriptor: Descriptor) -> str:
    return "blobs/" + descriptor.digest.replace(":", "/")
