"""Reading the contents of a tree's files: many small ones, or one large one. Imports the C library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from blake3 import blake3

from maelstrom_container.file_batches import FileContents, Signature, batches, read_files, signature
from maelstrom_container.manifest_builder import SourceChangedError
from maelstrom_core.errors import SpecError

_CHUNK = 1 << 20

Content = bytes | Path
"""Of an artifact: what it is, or the file that it is."""


def read_pack(paths: Sequence[bytes], expected: Sequence[Signature] | None = None) -> Iterator[FileContents]:
    """Yield the contents of small files, in order. Raises SourceChangedError for what is not `expected`, SpecError."""
    if expected is None:
        try:
            sizes = [os.stat(path).st_size for path in paths]
        except OSError as error:
            raise SpecError(f"failed to read {os.fsdecode(error.filename)}: {error.strerror}") from None
    else:
        sizes = [own.size for own in expected]
    at = 0
    for batch in batches(zip(paths, sizes, strict=True)):
        for path, contents in zip(batch, read_files(batch), strict=True):
            if contents is None:
                raise _why_not(path)
            if expected is not None and contents.signature != expected[at]:
                raise _changed(path)
            at += 1
            yield contents


def digest_of(path: bytes, expected: Signature) -> str:
    """Return the digest of a file. Raises SourceChangedError if it is not `expected` all the time, SpecError."""
    hasher = blake3()
    buffer = bytearray(_CHUNK)
    try:
        with open(path, "rb", buffering=0) as file, memoryview(buffer) as view:
            while count := file.readinto(buffer):
                hasher.update(view[:count])
            if signature(os.fstat(file.fileno())) != expected:
                raise _changed(path)
    except OSError as error:
        raise SpecError(f"failed to read {os.fsdecode(path)}: {error.strerror}") from None
    return hasher.hexdigest()


def _why_not(path: bytes) -> SourceChangedError | SpecError:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        return _changed(path)
    except OSError as error:
        return SpecError(f"failed to read {os.fsdecode(path)}: {error.strerror}")
    return _changed(path)


def _changed(path: bytes) -> SourceChangedError:
    return SourceChangedError(
        f"failed to read {os.fsdecode(path)}: it changed while a layer was made of it",
        hint="wait until it is complete, and run it again",
    )
