"""The result channel's sending end: records as a 4-byte big-endian length and JSON.

What it needs is taken by name when it is loaded: tests replace functions of `os` and `json`, and a report is sent while
they are replaced.

Runs inside the container; see the package. Imports nothing but the standard library.
"""

from __future__ import annotations

from json import JSONEncoder
from os import O_CLOEXEC, O_WRONLY, fstat, getpid, write
from os import open as open_descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_RECORD = 32 * 1024 * 1024
CHANNEL_LOST_CODE = 187  # exit code of a fork of a template that lost its channel; `records` has it, too

dumps = JSONEncoder().encode


class ChannelLostError(Exception):
    """The descriptor is gone, or is something else by now, and cannot be had again."""


def plain(value: Any, depth: int = 0) -> Any:
    """Return what JSON can carry of a value: texts for what it cannot."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value if type(value) in (bool, int, float, str, type(None)) else str(value)
    if depth > 20:
        return "..."
    if isinstance(value, dict):
        return {str(key): plain(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry, depth + 1) for entry in value]
    try:
        return str(value)
    except Exception:  # noqa: BLE001 the test's own class
        return f"<{type(value).__name__}>"


def encode(record: dict[str, Any] | bytes) -> bytes:
    """Return the frame of a record; what JSON cannot carry becomes text."""
    if isinstance(record, bytes):
        return len(record).to_bytes(4, "big") + record
    try:
        text = dumps(record)
    except (TypeError, ValueError, RecursionError):
        text = dumps(plain(record))
    data = text.encode("ascii")
    if len(data) > MAX_RECORD:
        small = {key: value for key, value in record.items() if key != "data"}
        for key in ("text", "reason"):
            if isinstance(small.get(key), str):
                small[key] = small[key][:1_000_000]
        data = dumps(plain(small)).encode("ascii")
    return len(data).to_bytes(4, "big") + data


class Channel:
    """Sends records; silent in processes that a test forked off, which are not pytest any more.

    Tests close descriptors, and open others in their place. Before each record the descriptor is compared with what it
    was; if it is lost it is opened again through the reaper's, which no test can close. A fork of a template has no
    such reaper: what is lost there is lost.
    """

    def __init__(self, descriptor: int, reaper: int = 0) -> None:
        self._descriptor = descriptor
        self._path = f"/proc/{reaper}/fd/{descriptor}" if reaper else None
        self._owner = getpid()
        status = fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)

    def send(self, *records: dict[str, Any] | bytes) -> None:
        """Write records, or the JSON of some, in one go if the system takes them; raises ChannelLostError."""
        if getpid() != self._owner:
            return
        self._check()
        data = memoryview(b"".join(map(encode, records)))
        while data:
            data = data[write(self._descriptor, data) :]

    def _check(self) -> None:
        if self._is_ours(self._descriptor):
            return
        if self._path is not None:
            try:
                self._descriptor = open_descriptor(self._path, O_WRONLY | O_CLOEXEC)
            except OSError as error:
                raise ChannelLostError("the result channel was closed") from error
        if not self._is_ours(self._descriptor):
            raise ChannelLostError("the result channel was closed")

    def _is_ours(self, descriptor: int) -> bool:
        try:
            status = fstat(descriptor)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity
