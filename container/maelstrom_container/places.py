"""Where the mounts of a container go, and in which order: pure decisions for `prepare`.

A mount that each job gets anew (*fresh*) hides what was prepared below its mount point; what lies there has to wait
until the fresh one is mounted, and so becomes a step of each job.
"""

from __future__ import annotations

import posixpath

from maelstrom_container import syscalls
from maelstrom_container.steps import Fresh, MakeDirectory, MakeFile, Mount, Unit
from maelstrom_core.job import Container
from maelstrom_core.spec import DevicesMount, DevptsMount, MqueueMount, ProcMount, TmpMount
from maelstrom_core.spec import Mount as MountSpec

NOEXEC = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
FRESH = {
    TmpMount: ("tmpfs", "mode=1777", syscalls.MS_NOSUID | syscalls.MS_NODEV),
    ProcMount: ("proc", "", NOEXEC),
    MqueueMount: ("mqueue", "", NOEXEC),
    DevptsMount: ("devpts", "newinstance,ptmxmode=0666,mode=620", syscalls.MS_NOSUID | syscalls.MS_NOEXEC),
}


def mount_point_of(mount: MountSpec) -> str:
    """Return where a mount goes, in normal form."""
    return "/dev" if isinstance(mount, DevicesMount) else posixpath.normpath(mount.mount_point)


def under(path: str, parent: str) -> bool:
    """Tell whether `path` is `parent` or below it."""
    return path == parent or path.startswith(parent.rstrip("/") + "/")


def covered(path: str, container: Container) -> bool:
    """Tell whether `path` lies on a mount that each job gets anew, so that nothing can be prepared there."""
    return last_to_cover(path, container) is not None


def place_steps(path: str, fresh: list[Fresh], *, directory: bool = True) -> list[Fresh]:
    """Return the steps that make the mount point `path` on what is mounted by the steps so far.

    None where a host tree is there: it brings the mount points it lacks.
    """
    below = [step for step in fresh if isinstance(step, Mount | Unit) and under(path, step.target)]
    if not below or isinstance(below[-1], Unit):
        return []
    top = below[-1]
    there = {step.path for step in fresh[fresh.index(top) :] if isinstance(step, MakeDirectory | MakeFile)}
    parts = [part for part in posixpath.relpath(path, top.target).split("/") if part != "."]
    places = [posixpath.join(top.target, *parts[:count]) for count in range(1, len(parts) + 1)]
    steps: list[Fresh] = [MakeDirectory(place) for place in places]
    if steps and not directory:
        steps[-1] = MakeFile(path)
    return [step for step, place in zip(steps, places, strict=True) if place not in there]


def last_to_cover(path: str, container: Container) -> MountSpec | None:
    """Return the last of the mounts that each job gets anew under which `path` lies."""
    found = [mount for mount in container.mounts if type(mount) in FRESH and under(path, mount_point_of(mount))]
    return found[-1] if found else None


def on_a_fresh_tmpfs(path: str, container: Container) -> bool:
    """Tell whether the mount that `path` lies on is a tmpfs of the job's own, as a home below /tmp does.

    Never one that is bound from the host: no directory is made there.
    """
    mounts = [mount for mount in container.mounts if under(path, mount_point_of(mount))]
    return bool(mounts) and isinstance(max(mounts, key=lambda mount: len(mount_point_of(mount))), TmpMount)
