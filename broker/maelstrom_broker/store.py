"""The broker's artifacts: files named by their digests, in a directory that one broker uses.

    DIRECTORY/lock            flock, for as long as a broker uses it
    DIRECTORY/boot            the boot in which all files were last known to be whole
    DIRECTORY/artifacts/HEX   whole and checked; the modification time is when it was used last
    DIRECTORY/tmp/            what is coming, and what is being deleted; emptied at the start

Decides what is evicted: what was used longest ago, and is not in use. What may be done in any thread says so; the rest
belongs to one. Nothing here knows of sockets.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from maelstrom_core.arriving_file import ArrivingFile
from maelstrom_core.digest import DIGEST_LENGTH, Digest
from maelstrom_core.errors import ConfigError, InfrastructureError

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DIGITS = frozenset("0123456789abcdef")


class FullError(InfrastructureError):
    """There is no room, and nothing that may be evicted."""


class Incoming:
    """An artifact that is coming: `write`, then `check` or `discard`, in any thread."""

    def __init__(self, path: Path, digest: str, size: int) -> None:
        self.path = path
        self.digest = digest
        self.size = size
        self._mutex = threading.Lock()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = ArrivingFile(self._descriptor, size)

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises OSError; InfrastructureError where they are more than was announced."""
        with self._mutex:
            self._expect(len(data))
            self._file.write(data)

    def _expect(self, count: int) -> None:
        if self._descriptor < 0:
            raise InfrastructureError("it was given up")
        if self._file.size + count > self.size:
            raise InfrastructureError(f"it is larger than the {self.size} bytes that were announced")

    def check(self) -> None:
        """Take note that this was all. Raises InfrastructureError if it is not what was announced, and OSError."""
        with self._mutex:
            self._expect(0)
            digest = self._file.hexdigest()
        self._close()
        if self._file.size != self.size:
            raise InfrastructureError(f"it has {self._file.size} bytes, not the {self.size} that were announced")
        if digest != self.digest:
            raise InfrastructureError("what has come has another digest")

    def discard(self) -> None:
        """Leave nothing of it."""
        self._close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _close(self) -> None:
        with self._mutex:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


class Store:
    """A store that is open; sizes in bytes."""

    def __init__(self, directory: Path, limit: int) -> None:
        """Open or make it. Raises ConfigError if it cannot be used, or another broker uses it."""
        self.limit = limit
        self.used = 0
        """Of what is there, and of what is coming."""
        self._directory = directory
        self._artifacts = directory / "artifacts"
        self._tmp = directory / "tmp"
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """Used longest ago first."""
        self._count = 0
        try:
            for path in (directory, self._artifacts, self._tmp):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.chmod(0o700)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise ConfigError(
                    f"the store {directory} is in use by another broker", hint="choose another one with --store"
                ) from None
            self._clean()
        except OSError as error:
            raise ConfigError(
                f"failed to use {directory} as store: {error.strerror}", hint="choose another one with --store"
            ) from None

    def close(self) -> None:
        """Let others use it."""
        os.close(self._lock)

    def __contains__(self, digest: str) -> bool:
        return digest in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    # the start

    def _clean(self) -> None:
        for left in self._tmp.iterdir():
            left.unlink()
        with os.scandir(self._artifacts) as entries:
            found = [(entry.stat(follow_symlinks=False), entry.name) for entry in entries]
        trusted = self._same_boot()
        for status, name in sorted(found, key=lambda each: each[0].st_mtime_ns):
            if len(name) != DIGEST_LENGTH or not _DIGITS.issuperset(name) or not (trusted or self._is_whole(name)):
                (self._artifacts / name).unlink()
                continue
            self._sizes[name] = status.st_size
            self.used += status.st_size
        if not trusted:
            with contextlib.suppress(OSError):
                (self._directory / "boot").write_bytes(_BOOT.read_bytes())

    def _same_boot(self) -> bool:
        """Tell whether no file can have lost its contents: a machine that lost power may have kept names only."""
        with contextlib.suppress(OSError):
            return (self._directory / "boot").read_bytes() == _BOOT.read_bytes()
        return False

    def _is_whole(self, name: str) -> bool:
        return Digest.of_file(self._artifacts / name).hex == name

    def digests(self) -> Iterator[str]:
        """Yield what is there."""
        return iter(self._sizes)

    # coming

    def expect(self, digest: str, size: int, in_use: Callable[[str], bool]) -> tuple[Incoming, list[str]]:
        """Make room for an artifact; return where it goes, and what was evicted for it, which is out of sight.

        What is returned second is to be deleted by `delete`. Raises FullError where what is `in_use` leaves no room,
        and OSError.
        """
        if size > self.limit:
            raise FullError(f"it has {size} bytes, and the broker's store takes {self.limit}")
        least = self.used + size - self.limit
        idle = self._idle(least, in_use)
        held = self.used - sum(map(self._sizes.__getitem__, idle))
        if held + size > self.limit:
            raise FullError(
                f"the broker's store is full: jobs hold {held} of its {self.limit} bytes (--store-size), "
                f"and it has {size}"
            )
        incoming = Incoming(self._tmp / self._number(), digest, size)
        self.used += size
        for each in idle:
            self._hide(each)
        return incoming, idle

    def evict(self, size: int, in_use: Callable[[str], bool]) -> list[str]:
        """Take so many bytes out of sight, or as many as nobody needs, used longest ago first.

        Returns what it was, to be deleted by `delete`.
        """
        idle = self._idle(size, in_use)
        for digest in idle:
            self._hide(digest)
        return idle

    def arrived(self, incoming: Incoming) -> None:
        """Give what has been checked its name. Raises OSError."""
        name = self._artifacts / incoming.digest
        if incoming.digest in self._sizes:  # it came twice at the same time
            incoming.discard()
            self.used -= incoming.size
            return
        incoming.path.rename(name)
        self._sizes[incoming.digest] = incoming.size

    def lost(self, incoming: Incoming) -> None:
        """Take note that nothing came of it."""
        incoming.discard()
        self.used -= incoming.size

    # there

    def open(self, digest: str) -> FileIO | None:
        """Open an artifact; None if it is not there. Raises OSError."""
        if digest not in self._sizes:
            return None
        self._sizes.move_to_end(digest)
        path = self._artifacts / digest
        now = time.time_ns()
        try:
            os.utime(path, ns=(now, now))
            return path.open("rb", buffering=0)
        except FileNotFoundError:  # somebody has deleted it
            self.forget(digest)
            return None

    def drop(self, digest: str) -> None:
        """Have an artifact no more. Whoever has it open can still read it."""
        if digest in self._sizes:
            self._hide(digest)
            self.delete()

    def expire(self, seconds: float) -> None:
        """Have no more what has not been used for so long."""
        before = time.time() - seconds
        for digest in list(self._sizes):
            try:
                if (self._artifacts / digest).stat().st_mtime > before:
                    return
            except OSError:
                self.forget(digest)
            else:
                self.drop(digest)

    def forget(self, digest: str) -> None:
        """Take note that an artifact is gone, by whomever."""
        self.used -= self._sizes.pop(digest, 0)

    def delete(self) -> None:
        """Delete what was evicted; in any thread."""
        for path in list(self._tmp.glob("evicted-*")):
            with contextlib.suppress(OSError):
                path.unlink()

    def _idle(self, size: int, in_use: Callable[[str], bool]) -> list[str]:
        """Return what may be evicted, used longest ago first, until it has so many bytes."""
        idle: list[str] = []
        for candidate in self._sizes:
            if size <= 0:
                break
            if not in_use(candidate):
                idle.append(candidate)
                size -= self._sizes[candidate]
        return idle

    def _hide(self, digest: str) -> None:
        # renamed now: it may come again before it is deleted; what cannot be renamed the next start finds again
        with contextlib.suppress(OSError):
            (self._artifacts / digest).rename(self._tmp / f"evicted-{self._number()}")
        self.forget(digest)

    def _number(self) -> str:
        self._count += 1
        return str(self._count)


def is_full(error: OSError | InfrastructureError) -> bool:
    """Tell whether the disk has no room: a store may be larger than what is left of its disk."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def why(error: OSError | InfrastructureError) -> str:
    """Return what to tell the one whose artifact could not be stored."""
    if isinstance(error, InfrastructureError):
        return error.message
    if is_full(error):
        return "the disk of the broker's store is full"
    return f"the broker failed to write to its store: {error.strerror}"
