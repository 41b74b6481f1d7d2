"""The outer sandbox: what a process enters once, so that each job costs little.

`enter_namespaces` gives the process a user namespace in which it may mount, and a new pid namespace for its
children. `build_outer` then (in such a child) sets up two mount namespaces and keeps a descriptor of each:

    host view   every mount of this machine, private: where layers and bind mounts are looked up
    bare view   a tmpfs with /proc and nothing else: cloning a mount namespace copies its tree, so that of a job
                must be tiny, and nothing of the host must be in it

All jobs share one cgroup namespace, and nobody may make another: whoever owns one may mount the cgroup hierarchies, and
in them freeze or kill, by its host user id alone, what runs beside Maelstrom in the same cgroup.

The kernel mounts proc for a job only while a fully visible proc is mounted in its namespace: the bare view's, which
shows the pid namespace of the outer sandbox only.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.syscalls import CLONE_NEWCGROUP, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER

STAGE = "/tmp"  # noqa: S108 - any directory will do: it is covered by our tmpfs, in a namespace of our own

DEPTH = 3
"""How many forks there may be between a template and a job, with upper layers of their own."""
DIRECTORIES = ("proc", "scaffold", "root", "job", "tree", "upper", *(f"upper{depth}" for depth in range(1, DEPTH + 1)))
"""What the bare view holds: mount points for `prepare` and for the launch plan."""


class Outer(msgspec.Struct, frozen=True):
    """The outer sandbox of this process: its two mount namespaces and its identity."""

    host_view: int
    bare_view: int
    null: int
    """/dev/null, opened for reading on a read-only mount: a job with root's id could else chmod the host's."""
    uid: int
    gid: int


def enter_namespaces() -> None:
    """Give this process a user namespace of its own, and its future children a pid namespace.

    Raises OSError where the host forbids it; must be called while single-threaded.
    """
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(CLONE_NEWUSER | CLONE_NEWPID)
    syscalls.write_identity_maps(f"{uid} {uid} 1", f"{gid} {gid} 1")


def build_outer() -> Outer:
    """Set up the mount namespaces; afterwards the process lives in the bare view. Raises OSError."""
    syscalls.unshare(CLONE_NEWNS)
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    host_view = syscalls.open_namespace("mnt")
    null = _open_null()
    syscalls.unshare(CLONE_NEWNS)
    syscalls.mount("none", STAGE, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    for name in DIRECTORIES:
        os.mkdir(f"{STAGE}/{name}", 0o755)
    # Must be done while the host's proc is still there.
    syscalls.mount("none", f"{STAGE}/proc", "proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    _close_cgroups(f"{STAGE}/proc")
    syscalls.pivot_into(STAGE)
    syscalls.set_attributes("/", add=syscalls.MOUNT_ATTR_RDONLY)
    bare_view = syscalls.open_namespace("mnt")
    return Outer(host_view=host_view, bare_view=bare_view, null=null, uid=os.geteuid(), gid=os.getegid())


def _close_cgroups(proc: str) -> None:
    """Enter a cgroup namespace, the last one that is made in this user namespace and those below it."""
    try:
        syscalls.unshare(CLONE_NEWCGROUP)
    except OSError as error:
        if error.errno != errno.ENOSPC:  # we run in a job ourselves: what we are about to do was done above us
            raise
    try:
        Path(proc, "sys/user/max_cgroup_namespaces").write_text("0")
    except OSError as error:
        raise OSError(error.errno, f"limit cgroup namespaces: {error.strerror}") from error


def _open_null() -> int:
    mount = syscalls.clone_tree("/dev/null", recursive=False)
    try:
        syscalls.set_attributes_of(mount, add=syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID)
        return os.open(f"/proc/self/fd/{mount}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(mount)
