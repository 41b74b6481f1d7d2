"""Writing a layer's tree below one directory, by paths that somebody else chose.

The kernel is never given such a path as a whole: every component is opened by itself, relative to its parent's
descriptor, and symlinks are not followed. So nothing outside the directory can be touched, whatever the paths say.
Directories are made with mode 0700 and get their own modes and times at the end. Imports nothing of the project but
errors and the manifest's path rules.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

from maelstrom_container.manifest import DIRECTORY_MODE, check_target, clean_path, show
from maelstrom_core.errors import HostError, SpecError

OPAQUE_ATTRIBUTE = "user.overlay.opaque"
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20
_LATEST = 2**34 * 10**9 - 1
"""What ext4 and xfs can store, in nanoseconds: the year 2446 or so."""

T = TypeVar("T")


class TreeWriter:
    """Writes below a directory that is open as `root`; use as a context manager, and call `finish` when complete.

    Paths are cleaned, and those with `..` refused. Methods raise SpecError if paths contradict each other, HostError
    if the file system lacks what overlays need, and let other OSErrors through.

    With `last_wins` a file or symlink that is there already is replaced by one that comes later, a whiteout by what
    comes after it and by none that comes after something; else that is a contradiction.
    """

    def __init__(self, root: int, *, last_wins: bool = False) -> None:
        self._last_wins = last_wins
        self._copies: dict[bytes, bytes] = {}
        self.copied = 0
        """Bytes of files that could have no more hard links, and were copied."""
        self._stack: list[tuple[bytes, int]] = [(b"", os.dup(root))]
        self._directories: dict[bytes, tuple[int, int]] = {b"": (DIRECTORY_MODE, 0)}
        self.directory_paths = 0
        """Bytes of the paths of all directories so far."""

    @property
    def directories(self) -> int:
        """How many directories there are so far, the root and implied ones included."""
        return len(self._directories)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._stack:
            os.close(self._stack.pop()[1])

    def directory(self, path: bytes, mode: int, mtime: int = 0, *, opaque: bool = False) -> None:
        """Make a directory, or give one that is there other attributes."""
        path = clean_path(path)
        descriptor = self._enter(path)
        self._directories[path] = (mode, mtime)
        if opaque:
            self._make_opaque(descriptor, path)

    def opaque(self, path: bytes) -> None:
        """Have a directory hide what is at its path in lower layers."""
        path = clean_path(path)
        self._make_opaque(self._enter(path), path)

    def file(self, path: bytes, mode: int, mtime: int, chunks: Iterable[bytes]) -> None:
        """Write a regular file."""
        self.fill_file(path, mode, mtime, lambda descriptor: _write_all(descriptor, chunks))

    def fill_file(self, path: bytes, mode: int, mtime: int, fill: Callable[[int], None]) -> None:
        """Make a file that `fill` writes to."""
        parent, name = self._parent(path)
        descriptor = self._make(path, parent, name, lambda: os.open(name, _OPEN_FILE, 0o600, dir_fd=parent))
        try:
            fill(descriptor)
            os.fchmod(descriptor, mode & 0o777)
            os.utime(descriptor, ns=_times(mtime))
        finally:
            os.close(descriptor)

    def open_directory(self, path: bytes) -> int:
        """Return a descriptor of a directory, made if missing, for whoever makes files in it; it is the caller's."""
        return os.dup(self._enter(clean_path(path)))

    def symlink(self, path: bytes, target: bytes, mtime: int = 0) -> None:
        """Make a symbolic link."""
        check_target(path, target)
        parent, name = self._parent(path)
        self._make(path, parent, name, lambda: os.symlink(target, name, dir_fd=parent))
        os.utime(name, ns=_times(mtime), dir_fd=parent, follow_symlinks=False)

    def hard_link(self, path: bytes, target: bytes) -> None:
        """Make another name for a file or symlink that was written before; a copy where it can have no more names."""
        message = f"/{show(path)} is a hard link to /{show(target)}, which is not a file of the layer"
        original = clean_path(target)
        # where it had to be copied, the copy is what has room for more names
        target = self._copies.get(original, original)
        directory, _, target_name = target.rpartition(b"/")
        if directory not in self._directories or not target_name:
            raise SpecError(message)
        # a descriptor of its own: entering the link's directory may close this one
        target_parent = os.dup(self._enter(directory))
        try:
            try:
                kind = os.stat(target_name, dir_fd=target_parent, follow_symlinks=False).st_mode
            except FileNotFoundError:
                raise SpecError(message) from None
            if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
                raise SpecError(message)
            if self._last_wins and original == clean_path(path):
                return
            parent, name = self._parent(path)

            def link() -> None:
                os.link(target_name, name, src_dir_fd=target_parent, dst_dir_fd=parent, follow_symlinks=False)

            try:
                self._make(path, parent, name, link)
            except OSError as error:
                if error.errno != errno.EMLINK:
                    raise
                self.copied += _copy(target_parent, target_name, parent, name)
                self._copies[original] = clean_path(path)
        finally:
            os.close(target_parent)

    def whiteout(self, path: bytes) -> None:
        """Hide what is at a path in lower layers."""
        parent, name = self._parent(path)
        if self._last_wins and self._stays(path, parent, name):
            return
        try:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            raise _duplicate(path) from None
        except PermissionError:
            raise HostError(
                f"failed to make a whiteout at /{show(path)}: operation not permitted",
                hint="this takes Linux 5.8, and a cache on a local file system such as ext4, btrfs, xfs or tmpfs",
            ) from None

    def finish(self) -> None:
        """Give all directories their modes and times; the root stays writable by its owner."""
        # children first: the last one done is no longer writable, perhaps
        for path in sorted(self._directories, reverse=True):
            mode, mtime = self._directories[path]
            descriptor = self._enter(path)
            os.fchmod(descriptor, mode & 0o1777 | (0o500 if path else 0o700))
            os.utime(descriptor, ns=_times(mtime))

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        path = clean_path(path)
        directory, _, name = path.rpartition(b"/")
        if not name:
            raise SpecError("the root of a layer must be a directory")
        return self._enter(directory), name

    def _make(self, path: bytes, parent: int, name: bytes, make: Callable[[], T]) -> T:
        """Return what `make` does, which makes `name`; what is there is in its way, or has to make room for it."""
        try:
            return make()
        except FileExistsError:
            if not self._last_wins:
                raise _duplicate(path) from None
        try:
            os.unlink(name, dir_fd=parent)
        except IsADirectoryError:
            raise SpecError(f"/{show(path)} is a directory in the layer, and something else") from None
        path = clean_path(path)
        self._copies = {target: copy for target, copy in self._copies.items() if path not in {target, copy}}
        return make()

    def _stays(self, path: bytes, parent: int, name: bytes) -> bool:
        """Tell whether something is there that hides what a whiteout would; a directory does from now on."""
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(status.st_mode):
            self.opaque(path)
        return True

    def _replace_whiteout(self, parent: int, name: bytes) -> int | None:
        """Put a directory in a whiteout's place, which hides as much; return its descriptor, None for no whiteout."""
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not self._last_wins or not stat.S_ISCHR(status.st_mode):
            return None
        os.unlink(name, dir_fd=parent)
        os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
        self._make_opaque(descriptor, name)
        return descriptor

    def _enter(self, path: bytes) -> int:
        """Return the descriptor of a directory, made if missing; good until the next call."""
        components = path.split(b"/") if path else []
        common = 0
        while common < min(len(components), len(self._stack) - 1) and self._stack[common + 1][0] == components[common]:
            common += 1
        while len(self._stack) > common + 1:
            os.close(self._stack.pop()[1])
        for depth in range(common, len(components)):
            name = components[depth]
            parent = self._stack[-1][1]
            try:
                try:
                    descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
                except FileNotFoundError:
                    os.mkdir(name, 0o700, dir_fd=parent)
                    descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
                    self._made(b"/".join(components[: depth + 1]))
            except OSError as error:
                if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
                    raise
                instead = self._replace_whiteout(parent, name)
                if instead is not None:
                    self._made(b"/".join(components[: depth + 1]))
                    self._stack.append((name, instead))
                    continue
                here = show(b"/".join(components[: depth + 1]))
                raise SpecError(f"/{here} is used as a directory, but is something else") from None
            self._stack.append((name, descriptor))
        return self._stack[-1][1]

    def _made(self, directory: bytes) -> None:
        self._directories[directory] = (DIRECTORY_MODE, 0)
        self.directory_paths += len(directory)

    @staticmethod
    def _make_opaque(descriptor: int, path: bytes) -> None:
        try:
            os.setxattr(descriptor, OPAQUE_ATTRIBUTE, b"y")
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EPERM}:
                raise
            raise HostError(
                f"failed to make the directory /{show(path)} opaque: {error.strerror}",
                hint="keep the cache on a file system with user extended attributes (tmpfs: since Linux 6.6)",
            ) from None


def _write_all(descriptor: int, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]


def _copy(source_parent: int, source_name: bytes, parent: int, name: bytes) -> int:
    """Copy a file or symlink of the layer; returns its size in bytes."""
    status = os.stat(source_name, dir_fd=source_parent, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source_name, dir_fd=source_parent), name, dir_fd=parent)
    else:
        source = os.open(source_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_parent)
        try:
            target = os.open(name, _OPEN_FILE, 0o600, dir_fd=parent)
            try:
                _write_all(target, iter(lambda: os.read(source, _CHUNK), b""))
                os.fchmod(target, status.st_mode & 0o777)
            finally:
                os.close(target)
        finally:
            os.close(source)
    os.utime(name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=parent, follow_symlinks=False)
    return status.st_size


def storable(mtime: int) -> int:
    """Return the time nearest to one that file systems can store; both in nanoseconds."""
    return min(max(mtime, -(2**31) * 10**9), _LATEST)


def _times(mtime: int) -> tuple[int, int]:
    return storable(mtime), storable(mtime)


def _duplicate(path: bytes) -> SpecError:
    return SpecError(f"/{show(path)} appears more than once in the layer")
