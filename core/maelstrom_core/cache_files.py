"""What a cache directory looks like, how it is cleaned at the start, and how things are deleted from it.

    CACHEDIR.TAG        standard signature, and the format's version: any other version is wiped
    lock                flock: shared while in use, exclusive while cleaning
    blake3/KIND/HEX     entries: a file, or a directory with a sibling HEX.size (8 bytes, big-endian)
    tmp/                what is being made; published from here by a rename
    removing/           what is being deleted; it got here by a rename

Of a directory's `.size` the modification time is when the entry was last released, of a file the access time.
Cleaning never follows a symlink. Imports nothing of the project but `cache_index`.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from maelstrom_core.cache_index import Key

TAG_NAME = "CACHEDIR.TAG"
TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of Maelstrom, format 1. Safe to delete when unused.\n"
LOCK_NAME = "lock"
ENTRIES = "blake3"
TEMPORARY = "tmp"
REMOVING = "removing"

_HEX = re.compile(r"[0-9a-f]{64}\Z")
_SIZE = struct.Struct(">Q")
_SUFFIX = ".size"


class Found(msgspec.Struct, frozen=True):
    """An entry that survived the last process; `last_used` in nanoseconds since the epoch."""

    key: Key
    size: int
    last_used: int


def tag_is_right(root: Path) -> bool:
    """Tell whether the directory is a cache of this very format."""
    try:
        with (root / TAG_NAME).open("rb") as file:
            return file.read(len(TAG) + 1) == TAG
    except OSError:
        return False


def clean(root: Path, kinds: Iterable[str], linked_kinds: Iterable[str]) -> None:
    """Make `root` a valid cache, keeping valid entries; garbage ends up in `removing`.

    Needs the exclusive lock. Killed at any point, the next call finishes the work: the tag is written last.
    """
    removing = root / REMOVING
    if not _is_directory(removing):
        removing.unlink(missing_ok=True)
        removing.mkdir()
    known = {LOCK_NAME, REMOVING}
    if tag_is_right(root):
        known |= {TAG_NAME, ENTRIES, TEMPORARY}
    _discard_all(root, (entry for entry in _scan(root) if entry.name not in known))
    _make_directories(root, [TEMPORARY, ENTRIES])
    _discard_all(root, _scan(root / TEMPORARY))
    entries, linked = root / ENTRIES, frozenset(linked_kinds)
    all_kinds = linked.union(kinds)
    _discard_all(root, (entry for entry in _scan(entries) if entry.name not in all_kinds))
    _make_directories(entries, all_kinds)
    for kind in all_kinds:
        if kind in linked:
            # thousands of files: names and types are in the directory, whether they are needed the remover looks
            _discard_all(root, [entry for entry in _scan(entries / kind) if not _is_shared_file(entry)])
            continue
        valid = {found.key.digest for found in find_entries(root, kind)}
        sizes = {digest + _SUFFIX for digest in valid}
        names = valid | sizes
        _discard_all(root, [entry for entry in _scan(entries / kind) if entry.name not in names])
        for name in sizes:
            if not _is_directory(entries / kind / name[: -len(_SUFFIX)]):
                (entries / kind / name).unlink(missing_ok=True)
    if not tag_is_right(root):
        temporary = root / TEMPORARY / TAG_NAME
        temporary.write_bytes(TAG)
        temporary.rename(root / TAG_NAME)


def find_entries(root: Path, kind: str) -> list[Found]:
    """Return the valid entries of a kind, least recently used first."""
    directory = root / ENTRIES / kind
    found = []
    for entry in _scan(directory):
        if not _HEX.match(entry.name):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        key = Key(kind, entry.name)
        if stat.S_ISREG(status.st_mode):
            found.append(Found(key, status.st_size, status.st_atime_ns))
        elif stat.S_ISDIR(status.st_mode) and (recorded := _read_size(directory / (entry.name + _SUFFIX))):
            found.append(Found(key, *recorded))
    return sorted(found, key=lambda each: (each.last_used, each.key))


def write_size(root: Path, path: Path, size: int) -> None:
    """Record the size of a directory entry beside it."""
    temporary = root / TEMPORARY / (os.urandom(8).hex() + _SUFFIX)
    try:
        temporary.write_bytes(_SIZE.pack(size))
        temporary.rename(path.with_name(path.name + _SUFFIX))
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_size(path: Path) -> int:
    """Return the recorded size of a directory entry; 0 while it is being published."""
    recorded = _read_size(path.with_name(path.name + _SUFFIX))
    return recorded[0] if recorded else 0


def forget_size(path: Path) -> None:
    """Remove the recorded size of a directory entry."""
    path.with_name(path.name + _SUFFIX).unlink(missing_ok=True)


def mark_used(path: Path) -> None:
    """Remember that an entry was released just now, for the next process; failing to is no harm."""
    now = time.time_ns()
    with contextlib.suppress(OSError):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            os.utime(path.with_name(path.name + _SUFFIX), ns=(now, now))
        elif stat.S_ISREG(status.st_mode):
            # the modification time of a file may mean something to its users
            os.utime(path, ns=(now, status.st_mtime_ns))


def discard(root: Path, path: Path) -> bool:
    """Take a path out of sight: a directory is renamed into `removing`, anything else is unlinked.

    Returns whether something is left to delete in `removing`.
    """
    try:
        if not _is_directory(path):
            path.unlink()
            return False
        with contextlib.suppress(PermissionError):
            # moving a directory rewrites its "..", which takes permission to write to it
            path.chmod(0o700)
        path.rename(root / REMOVING / os.urandom(8).hex())
    except FileNotFoundError:
        return False
    return True


def delete_tree(path: Path) -> None:
    """Delete a tree whatever the modes of its directories; what cannot be deleted is left for another time."""
    with contextlib.suppress(OSError):
        if _is_directory(path):
            path.chmod(0o700)
    # by descriptors: paths below may be longer than the kernel takes
    with contextlib.suppress(OSError):
        for _path, names, _files, parent in os.fwalk(path):
            for name in names:
                with contextlib.suppress(OSError):
                    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                        os.chmod(name, 0o700, dir_fd=parent)
    with contextlib.suppress(OSError):
        if _is_directory(path):
            import shutil  # with it come three compressors

            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


class Remover:
    """A thread that deletes what is in `removing`, then the shared files that no entry links to any more."""

    def __init__(self, root: Path, linked_kinds: Iterable[str]) -> None:
        self._root = root
        self._linked_kinds = tuple(linked_kinds)
        self._wake = threading.Condition()
        self._requests: deque[bool] = deque(maxlen=1)
        self._closing = False
        self._thread: threading.Thread | None = None

    def request(self) -> None:
        """Have everything that is in `removing` now deleted, soon."""
        with self._wake:
            self._requests.append(True)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cache-remover", daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self, timeout: float) -> None:
        """Wait, at most `timeout` seconds, until nothing is left to do. What is left, the next start removes."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._requests and not self._closing:
                    self._wake.wait()
                if not self._requests:
                    return
                self._requests.clear()
            self.delete()

    def delete(self) -> None:
        """Delete what there is to delete, now; in any thread."""
        for entry in _scan(self._root / REMOVING):
            delete_tree(Path(entry.path))
        for kind in self._linked_kinds:
            self._sweep(self._root / ENTRIES / kind)

    @staticmethod
    def _sweep(directory: Path) -> None:
        # Whoever makes a shared file links it into its entry before it gets its name here, and whoever finds it
        # gone makes it again: so that one name is left means that it is not needed, and no lock is.
        for entry in _scan(directory):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_nlink == 1:
                    Path(entry.path).unlink()


def _scan(directory: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return


def _discard_all(root: Path, entries: Iterable[os.DirEntry[str]]) -> None:
    for entry in entries:
        discard(root, Path(entry.path))


def _make_directories(parent: Path, names: Iterable[str]) -> None:
    for name in names:
        path = parent / name
        if not _is_directory(path):
            path.unlink(missing_ok=True)
            path.mkdir()


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_shared_file(entry: os.DirEntry[str]) -> bool:
    return _HEX.match(entry.name) is not None and entry.is_file(follow_symlinks=False)


def _read_size(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != _SIZE.size:
            return None
        return _SIZE.unpack(path.read_bytes())[0], status.st_mtime_ns
    except (OSError, struct.error):
        return None
