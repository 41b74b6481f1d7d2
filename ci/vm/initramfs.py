"""Writes the guest's first file system: a cpio archive (the format "newc", see cpio(5)) with a few files."""

from __future__ import annotations

from collections.abc import Mapping

_DIRECTORY = 0o040755
_FILE = 0o100755


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files by their path, which is relative; directories come with them."""
    entries: dict[str, bytes | None] = {}
    for path, contents in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            entries.setdefault("/".join(parts[:depth]), None)
        entries[path] = contents
    packed = [
        _entry(number, path, _DIRECTORY if contents is None else _FILE, contents or b"")
        for number, (path, contents) in enumerate(entries.items(), start=1)
    ]
    return b"".join(packed) + _entry(0, "TRAILER!!!", 0, b"")


def _entry(number: int, path: str, mode: int, contents: bytes) -> bytes:
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(contents), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(head + name) + _padded(contents)


def _padded(text: bytes) -> bytes:
    return text + bytes(-len(text) % 4)
