"""Digests of local files, remembered, so that an unchanged file is read once.

A digest is good for a path as long as size, modification time, change time, device and inode stay the same. A file
that was changed a moment before is not remembered: it could change again without its times moving on.
Several processes may use one database at once. It is an optimisation only: whatever goes wrong with it, digests are
computed instead. The database is opened, and sqlite3 imported, when it is first needed: most layers need no digest.
Imports nothing of the project but the errors and `file_batches`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec
from blake3 import blake3

from maelstrom_container.file_batches import READ_AT_ONCE, Signature, batches, in_threads, read_files, signature
from maelstrom_core.errors import InfrastructureError, SpecError

if TYPE_CHECKING:
    import sqlite3

SETTLED = 50_000_000
"""Nanoseconds after which a file's times can be trusted: a kernel tick is at most 10 ms."""
_FLUSH_AFTER = 2000
_EXPIRY = 90 * 86400
_BUSY_TIMEOUT = 10.0
_CHUNK = 1 << 20
_ATTEMPTS = 3
_READ_WHOLE = 1 << 20
"""Files that are smaller are read many at a time, in threads."""
_AT_ONCE = 1 << 20
"""Bytes: files that have less together are read sooner than the database is opened, and are not remembered."""
_ASKED_AT_ONCE = 500
"""What sqlite3 takes in one question: 999 before 3.32."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests_1 (path BLOB PRIMARY KEY, size, mtime, ctime, device, inode, digest, used)
WITHOUT ROWID
"""


class Looked(msgspec.Struct, frozen=True):
    """A regular file, symlinks followed, as it was a moment ago."""

    path: str
    mode: int
    signature: Signature


class Hashed(msgspec.Struct, frozen=True):
    """A regular file's digest, and what the file was when that was its digest."""

    digest: str
    mode: int
    signature: Signature


class DigestCache:
    """A database of digests that is open; None as path keeps them in memory."""

    def __init__(self, path: Path | None) -> None:
        self._mutex = threading.Lock()
        self._fresh: dict[bytes, tuple[Signature, str]] = {}
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is new, drop what was not used for 90 days."""
        with self._mutex:
            if self._fresh and (connection := self._database()) is not None:
                self._flush(connection)
            if self._connection is not None:
                self._connection.close()
            self._connection = self._path = None

    def digest_of(self, path: str, status: os.stat_result | None = None) -> tuple[str, os.stat_result]:
        """Return the digest of a regular file, symlinks followed, and its status at the time of reading.

        A `status` that the caller has just asked for saves asking again.

        Raises SpecError if it is missing, unreadable or no regular file, InfrastructureError if it keeps changing.
        """
        name = os.fsencode(path)
        try:
            for _attempt in range(_ATTEMPTS):
                status = status or os.stat(path)
                if not stat.S_ISREG(status.st_mode):
                    raise SpecError(f"failed to read {path}: it is not a regular file")
                found = self.lookup(name, signature(status))
                if found is not None:
                    return found, status
                digest, status, stable = _hash(path)
                if stable:
                    self._remember_settled(name, signature(status), digest)
                    return digest, status
                status = None
        except OSError as error:
            raise SpecError(f"failed to read {path}: {error.strerror}") from None
        raise InfrastructureError(
            f"failed to read {path}: it changes while it is read", hint="wait until it is complete"
        )

    def digests_of(self, files: Sequence[Looked]) -> list[Hashed]:
        """Return the digests of regular files, in any number.

        Raises as `digest_of`.
        """
        names = [os.fsencode(file.path) for file in files]
        few = len(files) <= READ_AT_ONCE and sum(file.signature.size for file in files) <= _AT_ONCE
        few = few and self._connection is None
        signatures = {} if few else {name: file.signature for name, file in zip(names, files, strict=True)}
        found = self._look_up(signatures)
        hashed: list[Hashed | None] = [
            Hashed(found[name], file.mode, file.signature) if name in found else None
            for name, file in zip(names, files, strict=True)
        ]
        unknown = [at for at, each in enumerate(hashed) if each is None and files[at].signature.size < _READ_WHOLE]

        def read(batch: list[int]) -> None:
            for at, file in zip(batch, read_files([names[at] for at in batch]), strict=True):
                if file is not None:
                    digest = blake3(file.contents).hexdigest()
                    hashed[at] = Hashed(digest, file.mode, file.signature)
                    if not few:
                        self._remember_settled(names[at], file.signature, digest)

        if unknown:
            in_threads(read, batches((at, files[at].signature.size) for at in unknown))
        return [each or self._hashed(file.path) for each, file in zip(hashed, files, strict=True)]

    def _hashed(self, path: str) -> Hashed:
        digest, status = self.digest_of(path)
        return Hashed(digest, status.st_mode, signature(status))

    def _look_up(self, wanted: dict[bytes, Signature]) -> dict[bytes, str]:
        """Return the digests that are remembered for any of these files."""
        with self._mutex:
            found = {
                name: self._fresh[name][1]
                for name, own in wanted.items()
                if name in self._fresh and self._fresh[name][0] == own
            }
            names = [name for name in wanted if name not in self._fresh]
            connection = self._database() if names else None
            if connection is None:
                return found
            with contextlib.suppress(connection.Error):
                for start in range(0, len(names), _ASKED_AT_ONCE):
                    some = names[start : start + _ASKED_AT_ONCE]
                    rows = connection.execute(
                        "SELECT path, digest, size, mtime, ctime, device, inode FROM digests_1"  # noqa: S608 - only ?
                        f" WHERE path IN ({','.join('?' * len(some))})",
                        some,
                    )
                    found |= {name: str(digest) for name, digest, *own in rows if tuple(own) == _columns(wanted[name])}
            return found

    def lookup(self, path: bytes, wanted: Signature) -> str | None:
        """Return the digest remembered for a file, None if there is none or the file has changed since."""
        with self._mutex:
            if path in self._fresh:
                known, digest = self._fresh[path]
                return digest if known == wanted else None
            connection = self._database()
            if connection is None:
                return None
            with contextlib.suppress(connection.Error):
                row = connection.execute(
                    "SELECT digest FROM digests_1"
                    " WHERE path = ? AND size = ? AND mtime = ? AND ctime = ? AND device = ? AND inode = ?",
                    (path, *_columns(wanted)),
                ).fetchone()
                return None if row is None else str(row[0])
            return None

    def remember(self, path: bytes, known: Signature, digest: str) -> None:
        """Remember the digest of a file."""
        with self._mutex:
            self._fresh[path] = (known, digest)
            if len(self._fresh) >= _FLUSH_AFTER and (connection := self._database()) is not None:
                self._flush(connection)

    def _remember_settled(self, path: bytes, known: Signature, digest: str) -> None:
        if is_settled(max(known.ctime, known.mtime)):
            self.remember(path, known, digest)

    def _database(self) -> sqlite3.Connection | None:
        """Return the database, opened if need be; None where there is none. With the mutex held."""
        if self._connection is None and self._path is not None:
            self._connection = _connect(self._path)
            if self._connection is None:
                self._path = None  # do without
        return self._connection

    def _flush(self, connection: sqlite3.Connection) -> None:
        if not self._fresh:
            return
        now = int(time.time())
        rows = [(path, *_columns(known), digest, now) for path, (known, digest) in self._fresh.items()]
        with contextlib.suppress(connection.Error), connection:
            connection.executemany("INSERT OR REPLACE INTO digests_1 VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("DELETE FROM digests_1 WHERE used < ?", (now - _EXPIRY,))
            self._fresh.clear()


def is_settled(changed: int) -> bool:
    """Tell whether a file whose times are at most `changed` could not change again without their moving on."""
    return time.time_ns() - changed > SETTLED


def _columns(known: Signature) -> tuple[int, int, int, str, str]:
    # devices and inodes may be unsigned 64-bit numbers, for which sqlite3 has no type
    return known.size, known.mtime, known.ctime, str(known.device), str(known.inode)


def _connect(path: Path) -> sqlite3.Connection | None:
    import sqlite3

    for attempt in range(2):
        connection = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            with connection:
                connection.execute(_SCHEMA)
        except sqlite3.OperationalError:  # locked, read-only, disk full: do without
            if connection is not None:
                connection.close()
            return None
        except (sqlite3.DatabaseError, OSError):  # not a database, or corrupt: begin anew, once
            if connection is not None:
                connection.close()
            if attempt:
                return None
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        else:
            return connection
    return None


def _hash(path: str) -> tuple[str, os.stat_result, bool]:
    """Return digest and status of a file, and whether it stayed the same while it was read."""
    with open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        hasher = blake3()
        if before.st_size <= _CHUNK:
            hasher.update(file.read(_CHUNK + 1))
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
        after = os.fstat(file.fileno())
    return hasher.hexdigest(), after, signature(before) == signature(after)
