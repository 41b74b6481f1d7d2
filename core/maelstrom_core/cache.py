"""A directory of things that are expensive to make and safe to lose, shared by several processes at once.

`cache_index` decides, this module does. Every method may be called from any thread and returns quickly: making an
entry is the caller's work, in `temporary_directory` or `temporary_file`.

Between processes (docs/decisions/shared-cache.md): the file `lock` is held shared by each user; an entry in use is
pinned by a shared flock on itself; whoever evicts it must get that lock exclusively, without waiting, and renames it
away; whoever has just pinned it checks that the path still names what was locked. Killed at any point, nothing
half-made is ever seen under an entry's name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import resource
import stat
import threading
import time
from collections.abc import Hashable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

from maelstrom_core import cache_files as files
from maelstrom_core.cache_index import Answer, CacheIndex, Get, Key, Success, Wait
from maelstrom_core.errors import InfrastructureError, UserError

Job = TypeVar("Job")
Getter = TypeVar("Getter", bound=Hashable)

DEFAULT_TARGET_SIZE = 1_000_000_000
_LOCK_TIMEOUT = 30.0
_CLOSE_TIMEOUT = 10.0
_PUBLISH_ATTEMPTS = 500
_PAUSE = 0.01
_FEW, _ROOM = 128, 96
"""Descriptors: of a process that has fewer the limit is not looked at; and how many are left for everything else."""
_ROOM_HINT = "raise what you may have, as with `ulimit -Hn`, or use fewer different layers in one run"
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")

__all__ = ["DEFAULT_TARGET_SIZE", "Answer", "Cache", "Get", "Key", "Stored", "Success", "Wait"]


class Stored(msgspec.Struct, Generic[Job], frozen=True):
    """What became of an offered file or directory, and whose wait is over; with `error` they all failed."""

    accepted: bool
    waiting: tuple[Job, ...] = ()
    error: InfrastructureError | None = None


class Cache(Generic[Job, Getter]):
    """A cache that is open. `kinds` have entries; files of `linked_kinds` are shared by hard links from entries."""

    def __init__(
        self,
        root: Path,
        *,
        kinds: Iterable[str],
        linked_kinds: Iterable[str] = (),
        target_size: int = DEFAULT_TARGET_SIZE,
        lock_timeout: float = _LOCK_TIMEOUT,
    ) -> None:
        """Open or create the cache at `root`; sizes in bytes, times in seconds.

        Raises UserError if the directory cannot be created or written, or is in use by another format;
        InfrastructureError if somebody cleans it for longer than `lock_timeout`.
        """
        self.root = root
        self._kinds = tuple(kinds)
        self._linked_kinds = tuple(linked_kinds)
        self._mutex = threading.RLock()
        self._index: CacheIndex[Job, Getter] = CacheIndex(target_size)
        self._pins: dict[Key, int] = {}
        self._remover = files.Remover(root, self._linked_kinds)
        try:
            self._lock = self._open(lock_timeout)
            found = [entry for kind in self._kinds for entry in files.find_entries(root, kind)]
        except OSError as error:
            raise UserError(
                f"failed to open the cache {root}: {error.strerror or error}",
                hint="choose another directory with --cache-root, or make this one writable",
            ) from None
        for entry in sorted(found, key=lambda each: each.last_used):
            self._index.restore(entry.key, entry.size)
        self._remove(self._index.evict())
        if any((root / files.REMOVING).iterdir()):
            self._remover.request()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bytes_used(self) -> int:
        """The size of all entries that this process knows of, in bytes."""
        return self._index.bytes_used

    def close(self) -> None:
        """Give up everything that is in use, and the directory."""
        with self._mutex:
            for key in list(self._pins):
                self._unpin(key)
            if self._lock >= 0:
                self._remover.close(_CLOSE_TIMEOUT)
                os.close(self._lock)
                self._lock = -1

    def path(self, key: Key) -> Path:
        """Return where an entry is, or would be. Raises ValueError for a key that is no valid name."""
        if key.kind not in self._kinds + self._linked_kinds or not _DIGEST.match(key.digest):
            raise ValueError(f"not a key of this cache: {key}")
        return self.root / files.ENTRIES / key.kind / key.digest

    def directory(self, kind: str) -> Path:
        """Return where the entries of a kind are."""
        return self.root / files.ENTRIES / kind

    def temporary_directory(self) -> Path:
        """Make an empty directory on the cache's file system; cleaned up at some later start if forgotten."""
        path = self.root / files.TEMPORARY / os.urandom(8).hex()
        path.mkdir(mode=0o700)
        return path

    def temporary_file(self) -> Path:
        """Make an empty file on the cache's file system; cleaned up at some later start if forgotten."""
        path = self.root / files.TEMPORARY / os.urandom(8).hex()
        path.touch(mode=0o600, exist_ok=False)
        return path

    def get(self, key: Key, job: Job, getter: Getter) -> Answer:
        """Ask for an entry: Success pins it until `release`; after Get the caller makes it and calls `got_...`."""
        path = self.path(key)
        with self._mutex:
            if key not in self._pins:
                size = self._pin(key, path)
                if size is None:
                    self._index.forget(key)
                else:
                    self._index.restore(key, size)
            answer = self._index.get(key, job, getter)
            if not isinstance(answer, Success):
                self._unpin(key)
            return answer

    def got_directory(self, key: Key, temporary: Path, size: int) -> Stored[Job]:
        """Publish a directory made in `temporary_directory`; its own mode must allow its owner to write."""
        return self._got(key, temporary, size, directory=True)

    def got_file(self, key: Key, temporary: Path) -> Stored[Job]:
        """Publish a file made in `temporary_file`."""
        return self._got(key, temporary, temporary.lstat().st_size, directory=False)

    def discard(self, temporary: Path) -> None:
        """Delete a temporary that is not wanted."""
        if files.discard(self.root, temporary):
            self._remover.request()

    def make_room(self) -> None:
        """Delete, now, everything that nobody uses: for when the disk is full; takes as long as deleting does."""
        with self._mutex:
            for key in self._index.evict(-1):
                self._evict(self.path(key))
        self._remover.delete()

    def failed(self, key: Key) -> tuple[Job, ...]:
        """Take note that an entry could not be made; returns the jobs that waited for it."""
        with self._mutex:
            return self._index.failed(key)

    def release(self, key: Key) -> None:
        """Give back one reference. Raises ValueError if there is none."""
        with self._mutex:
            evicted = self._index.release(key)
            if not self._index.in_use(key):
                files.mark_used(self.path(key))
                self._unpin(key)
            self._remove(evicted)

    def try_increment(self, key: Key) -> int | None:
        """Take one more reference to an entry in use and return its size; None if it is not in use."""
        with self._mutex:
            return self._index.try_increment(key)

    def disconnect(self, getter: Getter) -> dict[Key, Getter]:
        """Forget what a getter waits for; returns who must get what it was getting and others still want."""
        with self._mutex:
            return self._index.disconnect(getter)

    # starting

    def _open(self, timeout: float) -> int:
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / files.LOCK_NAME
        deadline = time.monotonic() + timeout
        while True:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                if _try_lock(lock, fcntl.LOCK_EX):
                    files.clean(self.root, self._kinds, self._linked_kinds)
                self._share(lock, deadline)
                if _names(path, lock):
                    if files.tag_is_right(self.root):
                        return lock
                    self._expect_to_clean(lock)
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)

    def _expect_to_clean(self, lock: int) -> None:
        if not _try_lock(lock, fcntl.LOCK_EX):
            raise UserError(
                f"the cache {self.root} is in use by another version of maelstrom",
                hint="wait until it has ended, or choose another directory with --cache-root",
            )

    def _share(self, lock: int, deadline: float) -> None:
        while not _try_lock(lock, fcntl.LOCK_SH):
            if time.monotonic() >= deadline:
                raise InfrastructureError(
                    f"failed to lock the cache: {self.root / files.LOCK_NAME} is held exclusively by another process",
                    hint="if it hangs, end it; or choose another directory with --cache-root",
                )
            time.sleep(_PAUSE)

    # publishing, pinning, evicting; all with the mutex held

    def _got(self, key: Key, temporary: Path, size: int, *, directory: bool) -> Stored[Job]:
        path = self.path(key)
        with self._mutex:
            if not self._index.getting(key):
                self.discard(temporary)
                return Stored(accepted=False)
            try:
                published = self._publish(key, path, temporary, size, directory=directory)
                if not published:
                    self.discard(temporary)
                    size = files.read_size(path) if directory else path.lstat().st_size
            except OSError as error:
                self.discard(temporary)
                self._unpin(key)
                hint = _ROOM_HINT if error.errno == errno.EMFILE else None
                failure = InfrastructureError(f"failed to store {path}: {error.strerror or error}", hint=hint)
                return Stored(accepted=False, waiting=self._index.failed(key), error=failure)
            got = self._index.got(key, size)
            self._remove(got.evicted)
            return Stored(accepted=published, waiting=got.waiting)

    def _publish(self, key: Key, path: Path, temporary: Path, size: int, *, directory: bool) -> bool:
        """Give the temporary its name, pinned; False if another process was first, whose entry is then pinned."""
        # locked before it can be found, so that nobody evicts it before it is used
        pin = _open_entry(temporary)
        try:
            make_room(pin)
            if not _try_lock(pin, fcntl.LOCK_SH):
                raise OSError(errno.EBUSY, "locked by another process")
            for _attempt in range(_PUBLISH_ATTEMPTS):
                with contextlib.suppress(FileExistsError):
                    _rename_without_replacing(temporary, path, directory=directory)
                    if directory:
                        # after the rename: whoever evicts an entry removes its size before its name
                        files.write_size(self.root, path, size)
                    self._pins[key], pin = pin, -1
                    return True
                if self._pin(key, path) is not None:
                    return False
                time.sleep(_PAUSE)  # it is being evicted at this very moment
            raise OSError(errno.EEXIST, "something that is no entry is in its place")
        finally:
            if pin >= 0:
                os.close(pin)

    def _pin(self, key: Key, path: Path) -> int | None:
        """Lock the entry shared and return its size; None if there is none, or it is being evicted."""
        try:
            pin = _open_entry(path)
        except OSError as error:
            if error.errno == errno.EMFILE:  # it may well be there
                raise InfrastructureError(f"failed to use {path}: {error.strerror}", hint=_ROOM_HINT) from None
            return None
        if not _try_lock(pin, fcntl.LOCK_SH) or not _names(path, pin):
            os.close(pin)
            return None
        try:
            make_room(pin)
        except OSError as error:
            os.close(pin)
            raise InfrastructureError(f"failed to use {path}: {error.strerror}", hint=_ROOM_HINT) from None
        self._pins[key] = pin
        status = os.fstat(pin)
        return files.read_size(path) if stat.S_ISDIR(status.st_mode) else status.st_size

    def _unpin(self, key: Key) -> None:
        pin = self._pins.pop(key, None)
        if pin is not None:
            # explicitly: a forked child may hold a duplicate
            fcntl.flock(pin, fcntl.LOCK_UN)
            os.close(pin)

    def _remove(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if self._evict(self.path(key)):
                self._remover.request()

    def _evict(self, path: Path) -> bool:
        """Take an entry's files out of sight, unless another process uses them; returns whether it was done."""
        try:
            entry = _open_entry(path)
        except OSError:
            return False
        try:
            if not _try_lock(entry, fcntl.LOCK_EX) or not _names(path, entry):
                return False
            files.forget_size(path)
            files.discard(self.root, path)
        finally:
            os.close(entry)
        return True


def make_room(descriptor: int) -> None:
    """See to it that files can still be opened though this one stays open: each entry in use takes a descriptor.

    Raises this process's limit, as far as it may and only if it must; raises OSError (EMFILE) where that is not enough.
    """
    if descriptor < _FEW:
        return
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or descriptor < limit - _ROOM:
        return
    if limit == most:
        raise OSError(errno.EMFILE, f"so many entries of the cache are in use that all {limit} open files are")
    more = limit * 2 if most == resource.RLIM_INFINITY else min(limit * 2, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (more, most))


def _open_entry(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _names(path: Path, descriptor: int) -> bool:
    """Tell whether the path still names what is open."""
    try:
        there = path.lstat()
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _rename_without_replacing(source: Path, target: Path, *, directory: bool) -> None:
    """Move; FileExistsError if the target exists (but an empty directory is no entry, and is replaced)."""
    if directory:
        try:
            source.rename(target)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                raise FileExistsError from None
            raise
    else:
        os.link(source, target, follow_symlinks=False)
        source.unlink()
