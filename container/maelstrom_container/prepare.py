"""Prepared containers: everything of a container that does not depend on the job, mounted once.

A prepared container is a mount namespace. A pool member enters it and launches; the kernel copies its few mounts for
each job. `places` decides what can be prepared, `sources` opens what is needed in the host view, `compose` mounts it in
the new namespace; this module leads them through it.
"""

from __future__ import annotations

import os
import posixpath
import resource
from collections.abc import Sequence

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.cgroups import kept_by_processes
from maelstrom_container.compose import ROOT, Composition
from maelstrom_container.kept import KeptRoot
from maelstrom_container.outer import Outer
from maelstrom_container.places import (
    FRESH,
    covered,
    last_to_cover,
    mount_point_of,
    on_a_fresh_tmpfs,
    place_steps,
    under,
)
from maelstrom_container.seccomp import fork_filter, job_filter, template_filter
from maelstrom_container.sources import Sources
from maelstrom_container.steps import (
    LIMIT_NAMES,
    CompiledSteps,
    Fresh,
    Layout,
    Mount,
    Protect,
    Step,
    Unit,
    captured_layout,
    compile_steps,
    job_steps,
    kept_job_steps,
    kept_root_steps,
    limit_steps,
    memory_bounds,
)
from maelstrom_core.errors import SpecError
from maelstrom_core.job import Container
from maelstrom_core.spec import (
    BindMount,
    DevicesMount,
    DevptsMount,
    Limits,
    MqueueMount,
    Network,
    ProcMount,
    Seccomp,
    SysMount,
    TmpMount,
)
from maelstrom_core.spec import Mount as MountSpec

KERNEL_SWITCHES = (
    *("sys", "sysrq-trigger", "irq", "bus", "fs"),
    *("acpi", "asound", "driver", "dynamic_debug", "latency_stats", "scsi"),  # where the machine has them
)
"""What root of the host may write to below /proc by its user id alone, whatever user namespace it is in: with
kernel.core_pattern that is a way out. Read-only for jobs of a real root, who then must not be able to undo it: they do
without CAP_SYS_ADMIN, and in a nested user namespace these mounts are locked."""

ROOTS_DIRECTORIES = ("firmware", "devices/virtual/powercap")
"""What root of the host may read below /sys by its user id alone, and others may not: the machine's tables, and how
much it draws. Empty for jobs of a real root; mounted once, with the rest of the root."""

ALL_CAPABILITIES = (1 << 64) - 1
CAP_SYS_ADMIN = 1 << 21
CAP_SETFCAP = 1 << 31


class Filters(msgspec.Struct, frozen=True):
    """What seccomp refuses, as bytes for C: to jobs, to templates, and to the forks of those besides."""

    job: bytes = b""
    template: bytes = b""
    fork: bytes = b""


class Prepared(msgspec.Struct, frozen=True):
    """A container ready for jobs; `close` it to be rid of it."""

    namespace: int
    bare: int
    """The bare root in it, on top of which may be the container's."""
    layout: Layout
    protect: bool
    """Whether its jobs belong to a real root, see KERNEL_SWITCHES."""
    steps: CompiledSteps
    uid_map: bytes
    """For C: closed by NUL."""
    gid_map: bytes
    capabilities: int
    network: Network
    session: bool
    filters: Filters
    limits: Limits
    """All of the container's; the layout has those that are not kept by a cgroup."""
    kept: KeptRoot | None = None
    """The root that its jobs share, where they can write to it and unmount nothing."""

    def enter(self) -> None:
        """Have the calling process live in the bare root of the namespace. Raises OSError."""
        syscalls.setns(self.namespace, syscalls.CLONE_NEWNS)  # on top of all that is mounted on the root
        os.fchdir(self.bare)
        os.chroot(".")

    def close(self) -> None:
        """Let go of it; it lives on while somebody is in it."""
        os.close(self.namespace)
        os.close(self.bare)
        if self.kept is not None:
            self.kept.close()


def prepare(
    outer: Outer, container: Container, *, memory: int, templates: bool = False, controllers: tuple[str, ...] = ()
) -> Prepared:
    """Compose a container in a mount namespace of its own, in which the caller is afterwards.

    Where jobs can neither unmount nor write to it, the root is put in its place once, on top of the bare one, and jobs
    need no copy of it; unless it is for `templates`, whose forks do. `controllers` are those of the cgroups of jobs.

    Raises SpecError for what the specification has wrong, OSError for what the host refuses.
    """
    limits = container.limits
    if controllers:
        container = msgspec.structs.replace(container, limits=kept_by_processes(limits, controllers))
    _check(container)
    syscalls.setns(outer.host_view, syscalls.CLONE_NEWNS)
    sources = Sources()
    try:
        sources.open(container)
        syscalls.setns(outer.bare_view, syscalls.CLONE_NEWNS)
        syscalls.unshare(syscalls.CLONE_NEWNS)
        capabilities = _capabilities(container, outer)
        protect = outer.uid == 0
        layout = _compose(container, sources, protect=protect, cover=not capabilities & CAP_SYS_ADMIN)
        if layout.cover and not layout.writable and not templates:
            syscalls.mount(ROOT, "/", flags=syscalls.MS_MOVE)
            layout = msgspec.structs.replace(layout, covered=True)
    finally:
        sources.close()
    behind = [*_hide_old_proc(layout, protect=protect), *limit_steps(layout)]
    return Prepared(
        namespace=syscalls.open_namespace("mnt"),
        bare=os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC),
        layout=layout,
        protect=protect,
        steps=compile_steps([*job_steps(layout, memory=memory), *behind]),
        uid_map=f"{container.user} {outer.uid} 1\0".encode(),
        gid_map=f"{container.group} {outer.gid} 1\0".encode(),
        capabilities=capabilities,
        network=container.network,
        session=container.session,
        filters=_filters(container),
        limits=limits,
        kept=_keep(layout, behind, memory) if layout.writable and layout.cover and not templates else None,
    )


def _keep(layout: Layout, behind: Sequence[Step], memory: int) -> KeptRoot:
    """Return the root that jobs share, to be made when there is one."""
    return KeptRoot(
        compile_steps(kept_root_steps(layout, memory=memory, depth=1)),
        compile_steps([*kept_job_steps(layout, memory=memory), *behind]),
        "upper1",
    )


def captured_steps(prepared: Prepared, *, memory: int, trees: bool) -> CompiledSteps:
    """Return the steps for a job of a prepared container whose upper directories are at `upper` already."""
    layout = captured_layout(prepared.layout, trees=trees)
    steps = job_steps(layout, memory=memory, captured=True)
    return compile_steps([*steps, *_hide_old_proc(layout, protect=prepared.protect), *limit_steps(layout)])


def _hide_old_proc(layout: Layout, *, protect: bool) -> list[Step]:
    """Return the step that keeps a nested user namespace from mounting a proc on account of the covered one.

    A covered old root is out of reach, but the kernel counts the proc in it as one that is visible, unless something is
    mounted on a part of it.
    """
    return [Protect("proc/sys")] if protect and layout.cover else []


def _check(container: Container) -> None:
    _check_limits(container.limits)
    for mount in container.mounts:
        if not mount_point_of(mount).startswith("/") or mount_point_of(mount) == "/":
            raise SpecError(f"failed to mount at {mount_point_of(mount)!r}: a mount point is absolute and not /")
        if isinstance(mount, SysMount) and container.network is Network.LOCAL:
            raise SpecError(
                "failed to mount sys: the kernel does not allow it together with the network `local`",
                hint="leave out the sys mount, or use the network `loopback` or `disabled`",
            )


def _check_limits(limits: Limits) -> None:
    for number, name in LIMIT_NAMES.items():
        most, allowed = getattr(limits, name), resource.getrlimit(number)[1]
        if most is not None and resource.RLIM_INFINITY != allowed < most:
            raise SpecError(
                f"failed to limit {name} to {most}: Maelstrom itself may have no more than {allowed}",
                hint=f"choose at most {allowed}, or raise what you may have, as with `ulimit -H`",
            )


def _capabilities(container: Container, outer: Outer) -> int:
    """Return the bounding set: none, or for root in the container all that is harmless in a user namespace."""
    if container.user != 0:
        return 0
    return ALL_CAPABILITIES & ~CAP_SYS_ADMIN if outer.uid == 0 else ALL_CAPABILITIES


def _filters(container: Container) -> Filters:
    return Filters() if container.seccomp is Seccomp.OFF else default_filters()


def default_filters() -> Filters:
    """Return those of containers that do not say otherwise; see `seccomp.warm_up`."""
    return Filters(job_filter(), template_filter(), fork_filter())


def template_capabilities(prepared: Prepared) -> int:
    """Return the bounding set of a template: what it loads is foreign, and its forks get theirs from elsewhere.

    Only who has CAP_SETFCAP may map user 0 into a user namespace below (kernel 5.12).
    """
    return CAP_SETFCAP if prepared.uid_map.split()[0] == b"0" else 0


def _compose(container: Container, sources: Sources, *, protect: bool, cover: bool) -> Layout:
    composition = Composition()
    composition.make_root([sources.take(fd) for fd in sources.layers])
    fresh: list[Fresh] = []
    waiting: list[Unit] = []
    for tree in sorted(sources.trees, key=lambda tree: tree.target):
        sources.take(tree.fd)
        apart = covered(tree.target, container)
        unit = composition.add_tree(tree, overlay=container.writable, covered=apart)
        if apart:
            waiting.append(unit)
    for directory in container.directories:
        if not covered(directory, container):
            # /tmp and its like are everybody's, as they are on the host
            composition.mount_point(directory, mode=0o1777 if directory.endswith("tmp") else 0o755)
    _add_devices(composition, container, sources)
    for mount in container.mounts:
        _add_mount(composition, container, mount, sources, fresh)
        if protect and isinstance(mount, ProcMount):
            there = (name for name in KERNEL_SWITCHES if os.path.exists(f"/proc/{name}"))
            fresh += [Protect(f"{mount_point_of(mount)}/{name}") for name in there]
        if protect and isinstance(mount, SysMount):
            for name in ROOTS_DIRECTORIES:
                composition.hide_directory(f"{mount_point_of(mount)}/{name}")
        for unit in waiting:
            if last_to_cover(unit.target, container) is mount:
                fresh += place_steps(unit.target, fresh)
                fresh.append(unit)
    for directory in container.directories:
        if on_a_fresh_tmpfs(directory, container):
            fresh += place_steps(directory, fresh)
    composition.seal(keep_scaffold=container.writable or any(isinstance(step, Unit) for step in fresh))
    return Layout(
        writable=container.writable,
        cover=cover,
        units=tuple(composition.units),
        fresh=tuple(fresh),
        limits=container.limits,
    )


def _add_devices(composition: Composition, container: Container, sources: Sources) -> None:
    if not sources.devices:
        return
    points = [mount_point_of(mount) for mount in container.mounts if not isinstance(mount, DevicesMount)]
    inside = [posixpath.relpath(point, "/dev") for point in points if under(point, "/dev") and point != "/dev"]
    terminals = any(isinstance(mount, DevptsMount) for mount in container.mounts)
    composition.add_devices(
        [(name, sources.take(fd)) for name, fd in sources.devices], points=inside, terminals=terminals
    )


def _add_mount(
    composition: Composition,
    container: Container,
    mount: MountSpec,
    sources: Sources,
    fresh: list[Fresh],
) -> None:
    point = mount_point_of(mount)
    earlier = Container(layers=(), mounts=container.mounts[: container.mounts.index(mount)])
    apart = covered(point, earlier)
    match mount:
        case BindMount():
            fd, directory = sources.binds[mount]
            sources.take(fd)
            if apart:
                place = composition.hold_mount(fd, directory=directory)
                fresh += place_steps(point, fresh, directory=directory)
                fresh.append(Unit(place, point))
            else:
                composition.add_mount(fd, point, directory=directory)
        case SysMount():
            composition.add_mount(sources.take(sources.sysfs[mount]), point)
        case DevicesMount():
            pass
        case TmpMount() | ProcMount() | MqueueMount() | DevptsMount():
            kind, data, flags = FRESH[type(mount)]
            if isinstance(mount, TmpMount) and mount.size is not None:
                data += f",{memory_bounds(mount.size)}"
            if apart:
                fresh += place_steps(point, fresh)
            else:
                # Where it really is: while a job makes its mounts the old root may lie on top of the new one: a link
                # with too many ".." would lead there.
                point = composition.mount_point(point).removeprefix(ROOT)
            fresh.append(Mount(kind, point, data, flags))
