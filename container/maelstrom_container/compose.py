"""Composing a root file system from layers, host trees and mounts, in a mount namespace of its own.

Called by `prepare` inside the fresh mount namespace of one container, with every source already open. Works on
fixed places of the bare view (see `outer.DIRECTORIES`):

    /scaffold          a tmpfs of this container: upper directories, and below it the pristine lowers
    /scaffold/base     the root without anything mounted on it: the lower of a writable job's root. (overlayfs refuses a
                       lower with locked mounts under it.)
    /root              the root with everything mounted on it: what a read-only job gets a copy of

Missing mount points are made in upper directories, so no layer need have them, and no layer is changed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.steps import Unit
from maelstrom_container.syscalls import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY
from maelstrom_core.errors import SpecError

ROOT = "/root"
SCAFFOLD = "/scaffold"
HARMLESS = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV


class Point(msgspec.Struct, frozen=True):
    """A mount point to be made, relative to its tree."""

    path: str
    directory: bool


class Tree(msgspec.Struct):
    """A host tree whose source is open: `fd` is a detached mount."""

    fd: int
    target: str
    hidden: tuple[str, ...]
    points: tuple[Point, ...]
    """To be made in it: mount points that it lacks."""
    whole: bool
    """Whether it is one mount without others below it; only then can it be a lower of an overlay."""
    writable: bool
    """Whether the caller may write to its top directory."""


class Composition(msgspec.Struct):
    """The root being composed, and the mounts on it so far."""

    units: list[Unit] = msgspec.field(default_factory=list)
    _counter: int = 0

    def make_root(self, layers: list[int]) -> None:
        """Mount the scaffold and, over the layers (detached mounts, bottom first), the root."""
        syscalls.mount("none", SCAFFOLD, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
        base = self._directory("base")
        upper, work = self._directory("root"), self._directory("work")
        if layers:
            names = []
            for fd in layers:
                name = self._next()
                syscalls.attach(fd, self._directory(name))
                names.append(name)
            # Short relative names: the options of mount(2) must fit a page.
            os.chdir(SCAFFOLD)
            lower = ":".join(reversed(names))
            syscalls.mount("none", base, "overlay", data=f"lowerdir={lower},upperdir=root,workdir=work,userxattr")
            for name in names:
                syscalls.umount(name)  # the overlay holds copies of its own
            os.chdir("/")
        else:
            syscalls.mount(upper, base, flags=syscalls.MS_BIND)
        del work
        syscalls.mount(base, ROOT, flags=syscalls.MS_BIND)

    def add_tree(self, tree: Tree, *, overlay: bool, covered: bool) -> Unit:
        """Show a host tree at its target; `covered` ones wait for a fresh mount below them."""
        name = self._next()
        pristine = self._directory(name)
        syscalls.attach(tree.fd, pristine)
        syscalls.set_attributes(pristine, add=MOUNT_ATTR_RDONLY | HARMLESS, recursive=True)
        source = pristine
        if tree.whole and (tree.hidden or tree.points):
            source = self._mask(tree, pristine)
        unit = Unit(source.lstrip("/"), tree.target, overlay=overlay and tree.whole and tree.writable)
        if not covered:
            target = self.mount_point(tree.target)
            syscalls.mount(source, target, flags=syscalls.MS_BIND | syscalls.MS_REC)
            unit = self._shown(target, unit)
        return unit

    def add_mount(self, fd: int, target: str, *, directory: bool = True) -> None:
        """Show a detached mount at `target`."""
        try:
            place = self.mount_point(target, directory=directory)
        except BaseException:
            os.close(fd)
            raise
        syscalls.attach(fd, place)
        self._shown(place, Unit(place.lstrip("/"), target))

    def hide_directory(self, target: str) -> None:
        """Show an empty directory at `target`, on what is mounted there already; nothing where there is none."""
        root = os.open(ROOT, os.O_PATH | os.O_CLOEXEC)
        try:
            place, kind = _resolve(root, target)
        finally:
            os.close(root)
        if place is not None and stat.S_ISDIR(kind):
            syscalls.mount(self._directory("empty"), place, flags=syscalls.MS_BIND)
            syscalls.set_attributes(place, add=MOUNT_ATTR_RDONLY | HARMLESS)

    def hold_mount(self, fd: int, *, directory: bool) -> str:
        """Keep a detached mount aside; returns its place, relative to the bare view's root."""
        place = self._directory(self._next()) if directory else self._file(self._next())
        syscalls.attach(fd, place)
        return place.lstrip("/")

    def add_devices(self, nodes: list[tuple[str, int]], *, points: list[str], terminals: bool) -> None:
        """Make a /dev of our own: device nodes (detached mounts by name), the usual links, directories.

        Never the image's own /dev: a stub there may be a symbolic link to somewhere else.
        """
        place = self.mount_point("/dev")
        syscalls.mount("none", place, "tmpfs", syscalls.MS_NOSUID, "mode=755,size=64k")
        for name, fd in nodes:
            Path(place, name).touch(0o666)
            syscalls.attach(fd, f"{place}/{name}")
            # Read-only: the owner of a node could chmod the host's; writing to a device needs no writable mount.
            attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC
            syscalls.set_attributes(f"{place}/{name}", add=attributes)
        links = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1"}
        links["stderr"] = "/proc/self/fd/2"
        if terminals:
            links["ptmx"] = "pts/ptmx"
        for name, target in links.items():
            os.symlink(target, f"{place}/{name}")
        for point in points:
            os.makedirs(f"{place}/{point}", exist_ok=True)
        syscalls.set_attributes(place, add=MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOEXEC)
        self._shown(place, Unit(place.lstrip("/"), "/dev"))

    def mount_point(self, path: str, *, directory: bool = True, mode: int = 0o755) -> str:
        """Return where `path` of the container really is (below /root), made if it is missing.

        Raises SpecError where something of another kind is there, or where it cannot be made.
        """
        root = os.open(ROOT, os.O_PATH | os.O_CLOEXEC)
        try:
            place, kind = _resolve(root, path)
            if place is None:
                return self._make(path, directory=directory, mode=mode)
        finally:
            os.close(root)
        if stat.S_ISDIR(kind) != directory:
            found, wanted = ("a directory", "a file") if stat.S_ISDIR(kind) else ("a file", "a directory")
            raise SpecError(
                f"failed to mount at {path}: it is {found} in the container, and {wanted} is to be mounted",
                hint="choose another mount point",
            )
        return place

    def seal(self, *, keep_scaffold: bool) -> None:
        """Make the root itself and the scaffold read-only; what is mounted on it keeps its own attributes.

        A scaffold that no job needs is taken away: every mount here is copied for each job.
        """
        syscalls.set_attributes(ROOT, add=MOUNT_ATTR_RDONLY | HARMLESS)
        if keep_scaffold:
            syscalls.set_attributes(f"{SCAFFOLD}/base", add=MOUNT_ATTR_RDONLY | HARMLESS)
        else:
            syscalls.umount(SCAFFOLD)

    def _make(self, path: str, *, directory: bool, mode: int) -> str:
        parent, name = os.path.split(path.rstrip("/"))
        place = f"{self.mount_point(parent or '/')}/{name}"
        try:
            if directory:
                os.mkdir(place)
                os.chmod(place, mode)
            else:
                # never through a symbolic link of a layer, which leads nowhere in the container, but perhaps here
                os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        except OSError as error:
            raise SpecError(
                f"failed to make the mount point {path}: {error.strerror}",
                hint="it lies in a part of the container that cannot be changed: choose another mount point",
            ) from error
        return place

    def _mask(self, tree: Tree, pristine: str) -> str:
        """Put an overlay over the tree that hides what is to be hidden and holds the mount points it lacks."""
        upper, work = self._directory(self._next()), self._directory(self._next())
        _copy_attributes(pristine, upper)
        hidden = [name for name in tree.hidden if os.path.lexists(f"{pristine}/{name}")]
        below = {point: name for point in tree.points for name in hidden if point.path.startswith(f"{name}/")}
        # Where a mount point lies below a hidden name, what hides it is a layer of its own: to make a directory over a
        # whiteout of its own layer, an overlay marks it by an attribute, which no tmpfs has before Linux 6.6 (EIO).
        hiding = self._directory(self._next()) if below else upper
        for name in hidden:
            _make_parents(pristine, hiding, name)
            os.mknod(f"{hiding}/{name}", stat.S_IFCHR, 0)  # a whiteout
        place = self._directory(self._next())
        for point in tree.points:
            if point in below:
                _make_parents(pristine, upper, below[point])
                _make_at(f"{upper}/{point.path}", point)
            else:
                _make_point(pristine, upper, point)
        lower = f"{hiding}:{pristine}" if below else pristine
        syscalls.mount("none", place, "overlay", data=f"lowerdir={lower},upperdir={upper},workdir={work},userxattr")
        syscalls.set_attributes(place, add=MOUNT_ATTR_RDONLY | HARMLESS)
        return place

    def _shown(self, place: str, unit: Unit) -> Unit:
        """Note a mount of the prepared root; a job that composes its own root takes it from there."""
        target = place.removeprefix(ROOT)
        unit = Unit(unit.source if unit.overlay else place.lstrip("/"), target, overlay=unit.overlay)
        self.units.append(unit)
        return unit

    def _next(self) -> str:
        self._counter += 1
        return str(self._counter)

    def _directory(self, name: str) -> str:
        path = f"{SCAFFOLD}/{name}"
        with suppress(FileExistsError):
            os.mkdir(path, 0o755)
        return path

    def _file(self, name: str) -> str:
        path = f"{SCAFFOLD}/{name}"
        Path(path).touch()
        return path


def _resolve(root: int, path: str) -> tuple[str | None, int]:
    """Return where `path` is below /root and its mode; None where there is nothing."""
    try:
        fd = syscalls.open_in_root(root, path)
    except FileNotFoundError:
        return None, 0
    except OSError as error:
        raise SpecError(f"failed to mount at {path}: {os.strerror(error.errno or 0)}") from error
    try:
        return os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd).st_mode
    finally:
        os.close(fd)


def _copy_attributes(source: str, target: str) -> None:
    info = os.stat(source)
    os.chmod(target, stat.S_IMODE(info.st_mode))
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


def _make_parents(lower: str, upper: str, name: str) -> None:
    """Make the directories above `name` in the upper layer, looking as in the lower one."""
    parts = name.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        part = "/".join(parts[:count])
        if not os.path.isdir(f"{upper}/{part}"):
            os.mkdir(f"{upper}/{part}", 0o755)
            if os.path.isdir(f"{lower}/{part}"):
                _copy_attributes(f"{lower}/{part}", f"{upper}/{part}")


def _make_point(lower: str, upper: str, point: Point) -> None:
    """Make a mount point in the upper layer itself, looking as a new one would in the lower layer.

    Not through the mounted overlay: that would copy the directories above it up, owner included, and the owner of
    what belongs to the machine has no id in an ordinary user's outer sandbox (EPERM).
    """
    above = ""
    for name in point.path.split("/")[:-1]:
        above = f"{above}{name}/"
        place = f"{lower}/{above}".rstrip("/")
        if os.path.islink(place) or (os.path.lexists(place) and not os.path.isdir(place)):
            return  # it is elsewhere in the container or cannot be: that is for `mount_point` to find out
        if stat.S_ISCHR(_mode(f"{upper}/{above}".rstrip("/"))):
            return  # hidden
    _make_parents(lower, upper, point.path)
    _make_at(f"{upper}/{point.path}", point)


def _make_at(place: str, point: Point) -> None:
    if point.directory:
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        Path(place).touch()


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0
