"""Opens everything of a container that comes from the host: layers, trees, bind mounts, devices, sysfs.

Called in the host view; each source becomes a detached mount, which `compose` attaches in the container's own mount
namespace.
"""

from __future__ import annotations

import errno
import os
import posixpath

from maelstrom_container import syscalls
from maelstrom_container.compose import HARMLESS, Point, Tree
from maelstrom_container.places import mount_point_of, under
from maelstrom_core.errors import SpecError
from maelstrom_core.job import Container, HostTree, LayerDirectory
from maelstrom_core.spec import BindMount, DevicesMount, SysMount


class Sources:
    """Detached mounts by what they are for; `close` those that nobody took."""

    def __init__(self) -> None:
        self.layers: list[int] = []
        self.trees: list[Tree] = []
        self.binds: dict[BindMount, tuple[int, bool]] = {}
        self.devices: list[tuple[str, int]] = []
        self.sysfs: dict[SysMount, int] = {}
        self._open: set[int] = set()

    def open(self, container: Container) -> None:
        """Open all of a container's. Raises SpecError for what is not there, OSError for what the host refuses."""
        points = [Point(layer.target, directory=True) for layer in container.layers if isinstance(layer, HostTree)]
        points += [Point(directory, directory=True) for directory in container.directories]
        for mount in container.mounts:
            file = isinstance(mount, BindMount) and os.path.isfile(mount.local_path)
            points.append(Point(mount_point_of(mount), directory=not file))
        for layer in container.layers:
            if isinstance(layer, LayerDirectory):
                self.layers.append(self._note(syscalls.clone_tree(layer.path, recursive=False)))
            else:
                self.trees.append(self._open_tree(layer, points))
        for mount in container.mounts:
            match mount:
                case BindMount():
                    self.binds[mount] = self._open_bind(mount)
                case DevicesMount(devices=devices):
                    for device in devices:
                        self._open_device(device.value)
                case SysMount():
                    attributes = HARMLESS | syscalls.MOUNT_ATTR_NOEXEC | syscalls.MOUNT_ATTR_RDONLY
                    self.sysfs[mount] = self._note(syscalls.detached_mount("sysfs", attributes=attributes))
                case _:
                    pass

    def close(self) -> None:
        """Close what was not attached."""
        for fd in self._open:
            os.close(fd)

    def take(self, fd: int) -> int:
        """Hand a descriptor over to whoever attaches it."""
        self._open.discard(fd)
        return fd

    def _note(self, fd: int) -> int:
        self._open.add(fd)
        return fd

    def _open_tree(self, tree: HostTree, points: list[Point]) -> Tree:
        try:
            fd, whole = syscalls.clone_tree(tree.source, recursive=False), True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise SpecError(f"failed to show {tree.source}: {os.strerror(error.errno or 0)}") from error
            # Other mounts lie below it: they can only be had together, and overlayfs takes no such lower.
            fd, whole = syscalls.clone_tree(tree.source, recursive=True), False
        self._note(fd)
        target = posixpath.normpath(tree.target)
        inside = [
            Point(posixpath.relpath(point.path, target), directory=point.directory)
            for point in points
            if point.path != target and under(point.path, target)
        ]
        mounted = {point.path for point in inside}
        hidden = tuple(name for name in tree.hidden if name not in mounted)  # a mount covers it as well

        def is_missing(point: Point) -> bool:
            return any(under(point.path, name) for name in hidden) or not os.path.lexists(f"{tree.source}/{point.path}")

        missing = tuple(point for point in inside if is_missing(point))
        return Tree(fd, target, hidden, missing, whole=whole, writable=os.access(tree.source, os.W_OK))

    def _open_bind(self, mount: BindMount) -> tuple[int, bool]:
        try:
            fd = self._note(syscalls.clone_tree(mount.local_path, recursive=True))
        except OSError as error:
            raise SpecError(
                f"failed to bind {mount.local_path} to {mount.mount_point}: {os.strerror(error.errno or 0)}",
                hint="`local_path` is a path on this machine",
            ) from error
        attributes = HARMLESS | (syscalls.MOUNT_ATTR_RDONLY if mount.read_only else 0)
        syscalls.set_attributes_of(fd, add=attributes, recursive=True)
        return fd, os.path.isdir(mount.local_path)

    def _open_device(self, name: str) -> None:
        if any(name == known for known, _ in self.devices):
            return
        try:
            self.devices.append((name, self._note(syscalls.clone_tree(f"/dev/{name}", recursive=False))))
        except FileNotFoundError as error:
            raise SpecError(f"failed to show the device {name}: this machine has no /dev/{name}") from error
