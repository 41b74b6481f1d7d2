"""System calls for mounts and namespaces: one thin function each, errors through one place.

Flags carry the kernel's names (include/uapi/linux/{sched,mount,prctl}.h). Everything raises `OSError` with the
name of the call, so that `maelstrom_container.doctor` can say what the host forbids.
"""

from __future__ import annotations

import os
from pathlib import Path

from maelstrom_container.native import ffi, lib

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18

MNT_DETACH = 2
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6

MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4


def _check(result: int, call: str, subject: str = "") -> int:
    if result < 0:
        raise OSError(-result, f"{call}: {os.strerror(-result)}", subject or None)
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _check(lib.sys_unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind `fd`."""
    _check(lib.sys_setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount something by the old call: it is one where the new ones are four."""
    result = lib.sys_mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, os.fsencode(data))
    _check(result, f"mount {kind}".rstrip(), target)


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """Take away what is mounted at `target`."""
    _check(lib.sys_umount(os.fsencode(target), flags), "umount", target)


def pivot_into(directory: str) -> None:
    """Make `directory`, a mount point, the root of this mount namespace and let go of the old root."""
    os.chdir(directory)
    _check(lib.sys_pivot_root(b".", b"."), "pivot_root", directory)
    umount(".")
    os.chdir("/")


def clone_tree(path: str, *, recursive: bool) -> int:
    """Return a descriptor of a detached copy of the mount at `path`."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    return _check(lib.sys_open_tree(-100, os.fsencode(path), flags), "open_tree", path)


def attach(fd: int, target: str) -> None:
    """Attach a detached mount at `target` and close its descriptor."""
    try:
        result = lib.sys_move_mount(fd, b"", -100, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
        _check(result, "move_mount", target)
    finally:
        os.close(fd)


def detached_mount(kind: str, options: dict[str, str] | None = None, attributes: int = 0) -> int:
    """Return a descriptor of a new file system that is mounted nowhere yet."""
    fs = _check(lib.sys_fsopen(kind.encode(), FSOPEN_CLOEXEC), f"fsopen {kind}")
    try:
        for key, value in (options or {}).items():
            result = lib.sys_fsconfig(fs, FSCONFIG_SET_STRING, key.encode(), value.encode(), 0)
            _check(result, f"fsconfig {kind} {key}")
        _check(lib.sys_fsconfig(fs, FSCONFIG_CMD_CREATE, ffi.NULL, ffi.NULL, 0), f"create {kind}")
        return _check(lib.sys_fsmount(fs, FSMOUNT_CLOEXEC, attributes), f"fsmount {kind}")
    finally:
        os.close(fs)


def set_attributes(path: str, *, add: int, clear: int = 0, recursive: bool = False) -> None:
    """Add and clear attributes (MOUNT_ATTR_...) of the mount at `path`."""
    result = lib.sys_mount_setattr(-100, os.fsencode(path), AT_RECURSIVE if recursive else 0, add, clear)
    _check(result, "mount_setattr", path)


def set_attributes_of(fd: int, *, add: int, clear: int = 0, recursive: bool = False) -> None:
    """Do the same for a detached mount."""
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _check(lib.sys_mount_setattr(fd, b"", flags, add, clear), "mount_setattr")


def open_in_root(root: int, path: str, flags: int = os.O_PATH | os.O_CLOEXEC) -> int:
    """Open `path` as if `root` were `/`: no symbolic link leads out of it."""
    return _check(lib.sys_open_in_root(root, os.fsencode(path), flags), "openat2", path)


def prctl(option: int, argument: int) -> None:
    """Set one attribute of this process."""
    _check(lib.sys_prctl(option, argument), "prctl")


def bring_loopback_up() -> None:
    """Set the interface lo of this network namespace up."""
    _check(lib.sys_loopback_up(), "bring lo up")


def restore_default_signals() -> None:
    """Give every signal its default action: what is ignored is inherited, and this process inherited it, too."""
    lib.sys_default_signals()


def open_namespace(kind: str) -> int:
    """Return a descriptor of this process's namespace of a kind (`mnt`, `net`, `user`, ...)."""
    return os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def write_identity_maps(uid_map: str, gid_map: str) -> None:
    """Map the ids of a user namespace just entered; setgroups is given up, as the kernel demands."""
    for name, text in (("setgroups", "deny"), ("uid_map", uid_map), ("gid_map", gid_map)):
        Path(f"/proc/self/{name}").write_text(text)


def memory_file(contents: bytes) -> int:
    """Return a descriptor from which `contents` can be read."""
    fd = os.memfd_create("contents", os.MFD_CLOEXEC)
    try:
        view = memoryview(contents)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd
