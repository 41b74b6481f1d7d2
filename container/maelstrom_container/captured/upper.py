"""Reads the upper directory of an overlay, after the last process of its job is gone.

Names, kinds, links, modes and contents are the job's, and so hostile. The kernel is given one name at a time, relative
to the descriptor of its directory, and follows no link. Modes that keep even the owner out are widened. The number of
entries and the depth are bounded. What the kernel notes in attributes (`user.overlay.*`) a job cannot write through its
overlay; what we could not honour is an error nevertheless.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from maelstrom_container.manifest import MAX_DEPTH, MAX_ENTRIES, MAX_PATH, show
from maelstrom_core.errors import InfrastructureError, SpecError

OPAQUE = "user.overlay.opaque"
ORIGIN = "user.overlay.origin"
_BY_REFERENCE = {"user.overlay.redirect", "user.overlay.metacopy"}
"""What stands elsewhere, under another name or only in part. Overlays of user namespaces make neither."""
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Place(msgspec.Struct, frozen=True):
    """An entry: its path relative to where the walk began, and how to get at it, until the next one is asked for."""

    path: bytes
    parent: int
    name: bytes
    mode: int
    """With the bits of its kind, as the job left it."""
    mtime: int
    """Nanoseconds since the epoch."""


class Directory(Place, frozen=True):
    """A directory; what is in it comes next. `opaque`: it hides what is below it in lower layers."""

    opaque: bool
    new: bool
    """Whether the job made it; else it is there because something in it, or of it, was changed."""


class File(Place, frozen=True):
    """A regular file; `size` in bytes. Use `opened`."""

    size: int
    same_as: bytes | None
    """The path of an earlier entry that is the same file."""


class Symlink(Place, frozen=True):
    """A symbolic link; `target` is its text."""

    target: bytes


class Whiteout(Place, frozen=True):
    """The job removed what is here in a lower layer."""


class Special(Place, frozen=True):
    """A pipe, a socket or a device."""


Change = Directory | File | Symlink | Whiteout | Special


def kind_of(mode: int) -> str:
    """Return what a special file is, for a message."""
    return {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}.get(stat.S_IFMT(mode), "device")


def walk(root: int, path: bytes = b"", *, entries: int = MAX_ENTRIES) -> Iterator[Change]:
    """Yield what is in the upper directory open as `root`, or below `path` in it; parents first, sorted by name.

    Nothing where `path` is none of a directory, or leads through a link. `root` itself is not yielded. Raises SpecError
    where there are more than `entries` or they lie too deep, InfrastructureError for an overlay that is none of ours.
    """
    start = _descend(root, path)
    if start is not None:
        try:
            yield from _Walk(entries).below(start, b"", 1)
        finally:
            os.close(start)


@contextmanager
def opened(file: File) -> Iterator[int]:
    """Open the file of an entry for reading. Raises OSError, and InfrastructureError as `walk` does."""
    descriptor = _open(file.parent, file.name, _OPEN_FILE, 0o400)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file any more")
        _attributes(descriptor, file.path)
        yield descriptor
    finally:
        os.close(descriptor)


class _Walk:
    def __init__(self, entries: int) -> None:
        self._most = entries
        self._count = 0
        self._linked: dict[tuple[int, int], bytes] = {}

    def below(self, directory: int, path: bytes, depth: int) -> Iterator[Change]:
        if depth > MAX_DEPTH:
            raise SpecError(f"the job left directories more than {MAX_DEPTH} levels deep, at {show(path)}")
        for name in self._names(directory):
            here = path + b"/" + name if path else name
            if len(here) > MAX_PATH:
                raise SpecError(f"the job left a path of more than {MAX_PATH} bytes: {show(here)}")
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                yield self._entry(here, directory, name, status)
                continue
            inner = _open(directory, name, _OPEN_DIRECTORY, 0o700)
            try:
                attributes = _attributes(inner, here)
                opaque = OPAQUE in attributes and os.getxattr(inner, OPAQUE) == b"y"
                new = ORIGIN not in attributes
                yield Directory(here, directory, name, status.st_mode, status.st_mtime_ns, opaque, new)
                yield from self.below(inner, here, depth + 1)
            finally:
                os.close(inner)

    def _names(self, directory: int) -> list[bytes]:
        names = []
        with os.scandir(directory) as entries:
            for entry in entries:
                self._count += 1
                if self._count > self._most:
                    raise SpecError(f"the job left more than {self._most} files")
                names.append(os.fsencode(entry.name))
        return sorted(names)

    def _entry(self, path: bytes, parent: int, name: bytes, status: os.stat_result) -> Change:
        mode, mtime = status.st_mode, status.st_mtime_ns
        if stat.S_ISREG(mode):
            same_as = None
            if status.st_nlink > 1:
                same_as = self._linked.setdefault((status.st_dev, status.st_ino), path)
            return File(path, parent, name, mode, mtime, status.st_size, None if same_as == path else same_as)
        if stat.S_ISLNK(mode):
            return Symlink(path, parent, name, mode, mtime, os.readlink(name, dir_fd=parent))
        if stat.S_ISCHR(mode) and status.st_rdev == 0:
            return Whiteout(path, parent, name, mode, mtime)
        return Special(path, parent, name, mode, mtime)


def _descend(root: int, path: bytes) -> int | None:
    here = os.dup(root)
    for name in path.split(b"/"):
        if name in {b"", b"."}:
            continue
        try:
            inner = _open(here, name, _OPEN_DIRECTORY, 0o700)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                raise
            return None
        finally:
            os.close(here)
        here = inner
    return here


def _open(parent: int, name: bytes, flags: int, needed: int) -> int:
    """Open an entry of ours, if need be after widening its mode by what is `needed`."""
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        os.chmod(f"/proc/self/fd/{handle}", mode | needed)
        return os.open(name, flags, dir_fd=parent)
    finally:
        os.close(handle)


def _attributes(descriptor: int, path: bytes) -> list[str]:
    """Return the names of the attributes of an entry."""
    try:
        names = os.listxattr(descriptor)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return []
    if not _BY_REFERENCE.isdisjoint(names):
        raise InfrastructureError(
            f"failed to read what the job wrote: {show(path)} stands in an overlay by reference only",
            hint="this host's overlays behave as no known kernel's do; please report this",
        )
    return names
