"""The launch plan as data: the steps that C executes for each job, and what they mean when they fail.

Pure: `job_steps` decides, `compile_steps` packs. Sources are relative to the root of the prepared mounts, which is the
current directory all the time. Targets after `Pivot` or `Cover` are absolute, and `prepare` has followed the symbolic
links of images in them: after `Pivot` the old root lies on top of the new one, where a link that climbs too high leads.
"""

from __future__ import annotations

import resource
import struct
from collections.abc import Iterable
from typing import Any

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.native import ffi, lib
from maelstrom_core.spec import Limits

LIMIT_NAMES = {
    resource.RLIMIT_NOFILE: "open_files",
    resource.RLIMIT_NPROC: "processes",
    resource.RLIMIT_FSIZE: "file_size",
    resource.RLIMIT_CORE: "core_size",
    resource.RLIMIT_AS: "address_space",
    resource.RLIMIT_STACK: "stack_size",
    resource.RLIMIT_CPU: "cpu_time",
    resource.RLIMIT_DATA: "memory",
}
"""The fields of Limits by what the kernel calls them; `memory` where there is no cgroup that keeps it."""


class Mount(msgspec.Struct, frozen=True):
    """mount(2) of a new file system."""

    kind: str
    target: str
    data: str = ""
    flags: int = syscalls.MS_NOSUID | syscalls.MS_NODEV


class Attach(msgspec.Struct, frozen=True):
    """A mount that is somewhere in the prepared tree is shown at `target` too."""

    source: str
    target: str


class MakeDirectory(msgspec.Struct, frozen=True):
    """mkdir(2)."""

    path: str
    mode: int = 0o755


class MakeFile(msgspec.Struct, frozen=True):
    """An empty file, to mount something on."""

    path: str


class Protect(msgspec.Struct, frozen=True):
    """What is at `path` becomes read-only; nothing where there is nothing."""

    path: str


class Pivot(msgspec.Struct, frozen=True):
    """The mount at `path` becomes the root."""

    path: str


class Detach(msgspec.Struct, frozen=True):
    """The old root goes."""


class Cover(msgspec.Struct, frozen=True):
    """The mount at `path` becomes the root, on top of the old one; for jobs that can unmount nothing."""

    path: str


class Limit(msgspec.Struct, frozen=True):
    """Of a resource (RLIMIT_...) at most so much may be used."""

    number: int
    most: int


class Watch(msgspec.Struct, frozen=True):
    """Kept mounts are made anew when the directory at `path` has changed."""

    path: str


Step = Mount | Attach | MakeDirectory | MakeFile | Protect | Pivot | Detach | Cover | Limit | Watch


def describe(step: Step) -> str:
    """Return what the step does, to stand after "failed to"."""
    match step:
        case Mount(kind=kind, target=target):
            return f"mount {kind} at {target}"
        case Attach(target=target):
            return f"mount at {target}"
        case MakeDirectory(path=path):
            return f"make the directory {path}"
        case MakeFile(path=path):
            return f"make the file {path}"
        case Protect(path=path):
            return f"make {path} read-only"
        case Pivot() | Cover():
            return "change the root"
        case Detach():
            return "let go of the old root"
        case Limit(number, most):
            return f"limit {LIMIT_NAMES[number]} to {most}"
        case Watch(path=path):
            return f"look at {path}"


class Unit(msgspec.Struct, frozen=True):
    """One mount of the container, below the root: shown as it is, or (`overlay`) under an upper layer of the job's."""

    source: str
    target: str
    overlay: bool = False


Fresh = Mount | Unit | MakeDirectory | MakeFile | Protect


class Layout(msgspec.Struct, frozen=True):
    """What a prepared container offers to its jobs."""

    writable: bool
    cover: bool
    """Whether the old root need only be covered, not let go: for a job that can unmount nothing."""
    units: tuple[Unit, ...]
    """Mounts of the prepared root, parents first; a read-only container gets them all with the root."""
    fresh: tuple[Fresh, ...]
    """What each job gets anew, in order; units here lie on a fresh mount and so cannot be prepared."""
    covered: bool = False
    """Whether the prepared root covers the old one already, and the job begins in it."""
    limits: Limits = Limits()


KEPT = "tree"
"""Where the kept mounts of a runner are."""


BYTES_PER_INODE = 4096
FEWEST_INODES = 1024


def memory_bounds(size: int) -> str:
    """Return the options of a tmpfs of `size` bytes that bound what it takes of the machine's memory.

    Each file takes about 1 KiB of the kernel's memory, which does not count as contents; unless it is told, the kernel
    allows as many files as half of the machine has pages. With one for each page of contents a tmpfs takes a quarter
    more than its size at most.
    """
    return f"size={size},nr_inodes={max(FEWEST_INODES, size // BYTES_PER_INODE)}"


def _overlay(place: str, lower: str, target: str) -> list[Step]:
    data = f"lowerdir={lower},upperdir={place},workdir={place}w,userxattr"
    return [MakeDirectory(place), MakeDirectory(f"{place}w"), Mount("overlay", target, data)]


def _captured_overlay(place: str, lower: str, target: str) -> list[Step]:
    """Return the step for an overlay whose upper directory is there already, and outlives the job.

    `volatile`: when it is unmounted the kernel would write out all of the file system that the directory is on.
    """
    return [Mount("overlay", target, f"lowerdir={lower},upperdir={place},workdir={place}w,userxattr,volatile")]


def template_steps(layout: Layout, *, memory: int, protect: bool) -> list[Step]:
    """Return the steps for a template: as for a job, but what its forks are made of stays reachable for them.

    The kernel mounts proc for a fork only while one is fully visible; the outer sandbox's is none of the template's
    business and so covered by one of its own. Forks of a real root (`protect`) then get read-only ones.
    """
    visible = Mount("proc", "proc", flags=_proc_flags(protect))
    return [visible, *job_steps(msgspec.structs.replace(layout, cover=True), memory=memory)]


def kept_steps(layout: Layout, *, memory: int, depth: int) -> list[Step]:
    """Return the steps for what the jobs of a runner share one after the other: their root, as long as nobody writes.

    Making overlays costs more than everything else of a job's mounts. Whoever writes to one makes an entry in its upper
    layer, and the next job gets new ones. None where there is nothing to keep.
    """
    return kept_root_steps(layout, memory=memory, depth=depth) if _keeps(layout) else []


def kept_root_steps(layout: Layout, *, memory: int, depth: int) -> list[Step]:
    """Return the steps for a root at KEPT that jobs share, of a layout that is writable."""
    upper = f"upper{depth}"
    steps = [Mount("tmpfs", upper, f"{memory_bounds(memory)},mode=755"), *_overlay(f"{upper}/0", "scaffold/base", KEPT)]
    overlays = [f"{upper}/0"]
    for unit in layout.units:
        target = f"{KEPT}{unit.target}"
        if unit.overlay:
            overlays.append(f"{upper}/{len(overlays)}")
            steps += _overlay(overlays[-1], unit.source, target)
        else:
            steps.append(Attach(unit.source, target))
    return [*steps, *map(Watch, overlays)]


def fork_steps(layout: Layout, *, memory: int, protect: bool, depth: int, kept: bool = False) -> list[Step]:
    """Return the steps for a fork of a template, which is `depth` forks away from the first one (1 or more).

    With `kept` it is forked by a runner, which has run the `kept_steps`.
    """
    if kept and _keeps(layout):
        layout = msgspec.structs.replace(layout, writable=False, units=())
        steps = job_steps(layout, memory=memory, root=KEPT)
    else:
        steps = job_steps(layout, memory=memory, upper=f"upper{depth}")
    if not protect:
        return steps
    return [
        msgspec.structs.replace(step, flags=_proc_flags(protect))
        if isinstance(step, Mount) and step.kind == "proc"
        else step
        for step in steps
        if not isinstance(step, Protect)
    ]


def kept_job_steps(layout: Layout, *, memory: int) -> list[Step]:
    """Return the steps for a job that begins in a kept root."""
    return job_steps(msgspec.structs.replace(layout, writable=False, units=(), covered=True), memory=memory)


def _keeps(layout: Layout) -> bool:
    return layout.writable and not any(isinstance(item, Unit) and item.overlay for item in layout.fresh)


def _proc_flags(protect: bool) -> int:
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    return flags | syscalls.MS_RDONLY if protect else flags


def limit_steps(layout: Layout, *, forked: bool = False) -> list[Step]:
    """Return the steps that limit a job, its last ones; not for templates, which serve many.

    The first process of a fork (`forked`) is none of the job's own, but counts.
    """
    steps: list[Step] = []
    for number, name in LIMIT_NAMES.items():
        most = getattr(layout.limits, name)
        if most is not None:
            steps.append(Limit(number, most + (forked and name == "processes")))
    return steps


def captured_layout(layout: Layout, *, trees: bool) -> Layout:
    """Return the layout of a job whose changes are kept; without `trees` of this machine, these are as they are.

    Which is read-only: only an upper directory makes them writable.
    """
    if trees:
        return layout

    def shown(item: Fresh) -> Fresh:
        return msgspec.structs.replace(item, overlay=False) if isinstance(item, Unit) else item

    units = tuple(msgspec.structs.replace(unit, overlay=False) for unit in layout.units)
    return msgspec.structs.replace(layout, units=units, fresh=tuple(map(shown, layout.fresh)))


def upper_targets(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return where in the container the overlays of a job are, in the order of their upper directories."""
    overlays = [step.target for step in steps if isinstance(step, Mount) and step.kind == "overlay"]
    return ("/", *overlays[1:])


def job_steps(
    layout: Layout, *, memory: int, upper: str = "upper", root: str = "root", captured: bool = False
) -> list[Step]:
    """Return the steps for one job; `memory` bounds each file system in memory, in bytes.

    If it is `captured` its upper directories are there already. Then the layout must be writable.
    """
    steps: list[Step] = []
    overlays = 0
    overlay = _captured_overlay if captured else _overlay
    fresh_overlays = any(isinstance(item, Unit) and item.overlay for item in layout.fresh)
    if (layout.writable or fresh_overlays) and not captured:
        steps.append(Mount("tmpfs", upper, f"{memory_bounds(memory)},mode=755"))
    if layout.writable:
        steps += overlay(f"{upper}/0", "scaffold/base", "job")
        overlays = 1
    elif not layout.covered:
        steps.append(Attach(root, "job"))
    if not layout.covered:
        steps.append(Cover("job") if layout.cover else Pivot("job"))
    for item in (*(layout.units if layout.writable else ()), *layout.fresh):
        match item:
            case Unit(source=source, target=target, overlay=True):
                steps += overlay(f"{upper}/{overlays}", source, target)
                overlays += 1
            case Unit(source=source, target=target):
                steps.append(Attach(source, target))
            case Mount(kind="tmpfs", target=target, data=data):
                # where two are given the last one counts: what the specification asks for
                steps.append(Mount("tmpfs", target, f"{memory_bounds(memory)},{data}".rstrip(",")))
            case Mount() | MakeDirectory() | MakeFile() | Protect():
                steps.append(item)
    if not layout.cover:
        steps.append(Detach())
    return steps


class CompiledSteps(msgspec.Struct, frozen=True):
    """Steps packed for C; `keep` holds the memory that they point into."""

    steps: tuple[Step, ...]
    array: Any
    keep: tuple[Any, ...]


def compile_steps(steps: list[Step]) -> CompiledSteps:
    """Pack steps for the launcher."""
    array = ffi.new("struct step[]", len(steps))
    keep: list[Any] = []
    for packed, step in zip(array, steps, strict=True):
        packed.op, packed.number, packed.flags, texts = _fields(step)
        memories = [ffi.new("char[]", text) for text in texts]
        packed.a, packed.b, packed.c, packed.d = memories
        keep += memories
    return CompiledSteps(tuple(steps), array, tuple(keep))


def pack_steps(steps: Iterable[Step]) -> bytes:
    """Pack steps for a message to a template; see struct template_plan in template.h."""
    packed = bytearray()
    for step in steps:
        op, number, flags, texts = _fields(step)
        packed += struct.pack("=iiQ", op, number, flags) + b"".join(text + b"\0" for text in texts)
    return bytes(packed)


def _fields(step: Step) -> tuple[int, int, int, tuple[bytes, bytes, bytes, bytes]]:
    """Return op, number, flags and texts of struct step (launch.h); unused texts are empty."""
    match step:
        case Mount():
            return lib.STEP_MOUNT, 0, step.flags, _texts("none", step.target, step.kind, step.data)
        case Attach():
            return lib.STEP_ATTACH, 0, syscalls.AT_RECURSIVE, _texts(step.source, step.target)
        case MakeDirectory():
            return lib.STEP_MKDIR, step.mode, 0, _texts(step.path)
        case MakeFile():
            return lib.STEP_FILE, 0o644, 0, _texts(step.path)
        case Protect():
            return lib.STEP_PROTECT, 0, 0, _texts(step.path)
        case Pivot():
            return lib.STEP_PIVOT, 0, 0, _texts(step.path)
        case Cover():
            return lib.STEP_COVER, 0, 0, _texts(step.path)
        case Detach():
            return lib.STEP_DETACH, 0, 0, _texts()
        case Limit():
            return lib.STEP_LIMIT, step.number, step.most, _texts()
        case Watch():
            return lib.STEP_WATCH, 0, 0, _texts(step.path)


def _texts(a: str = "", b: str = "", c: str = "", d: str = "") -> tuple[bytes, bytes, bytes, bytes]:
    first, second, third, fourth = (text.encode("utf-8", "surrogateescape") for text in (a, b, c, d))
    return first, second, third, fourth
