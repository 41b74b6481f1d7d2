"""The launch plan as data: the steps that C executes for each job, and what they mean when they fail.

Pure: `job_steps` decides, `compile_steps` packs. Sources of steps after `Pivot` or `Cover` are relative to the old root
(the current directory then), targets are absolute and resolve inside the new root only, so no symbolic link of an
image leads a mount astray.
"""

from __future__ import annotations

from typing import Any

import msgspec

from maelstrom_container import syscalls
from maelstrom_container.native import ffi, lib


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


Step = Mount | Attach | MakeDirectory | MakeFile | Protect | Pivot | Detach | Cover


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
    """Whether the old root need only be covered, not let go: for a job that can unmount nothing, and to whom it is no
    danger that the proc mounted there still counts as visible."""
    units: tuple[Unit, ...]
    """Mounts of the prepared root, parents first; a read-only container gets them all with the root."""
    fresh: tuple[Fresh, ...]
    """What each job gets anew, in order; units here lie on a fresh mount and so cannot be prepared."""


def _overlay(index: int, lower: str, target: str, *, prefix: str) -> list[Step]:
    upper, work = f"{prefix}upper/{index}", f"{prefix}upper/{index}w"
    data = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
    return [MakeDirectory(upper), MakeDirectory(work), Mount("overlay", target, data)]


def job_steps(layout: Layout, *, memory: int) -> list[Step]:
    """Return the steps for one job; `memory` bounds each file system in memory, in bytes."""
    steps: list[Step] = []
    overlays = 0
    fresh_overlays = any(isinstance(item, Unit) and item.overlay for item in layout.fresh)
    if layout.writable or fresh_overlays:
        steps.append(Mount("tmpfs", "/upper", f"size={memory},mode=755"))
    if layout.writable:
        steps += _overlay(0, "/scaffold/base", "/job", prefix="/")
        overlays = 1
    else:
        steps.append(Attach("/root", "/job"))
    steps.append(Cover("/job") if layout.cover else Pivot("/job"))
    for item in (*(layout.units if layout.writable else ()), *layout.fresh):
        match item:
            case Unit(source=source, target=target, overlay=True):
                steps += _overlay(overlays, source, target, prefix="")
                overlays += 1
            case Unit(source=source, target=target):
                steps.append(Attach(source, target))
            case Mount(kind="tmpfs", target=target, data=data):
                steps.append(Mount("tmpfs", target, f"size={memory},{data}".rstrip(",")))
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

    def text(value: str) -> Any:
        memory = ffi.new("char[]", value.encode("utf-8", "surrogateescape"))
        keep.append(memory)
        return memory

    for packed, step in zip(array, steps, strict=True):
        match step:
            case Mount():
                packed.op, packed.flags = lib.STEP_MOUNT, step.flags
                packed.a, packed.b = text("none"), text(step.target)
                packed.c, packed.d = text(step.kind), text(step.data)
            case Attach():
                packed.op, packed.flags = lib.STEP_ATTACH, syscalls.AT_RECURSIVE
                packed.a, packed.b = text(step.source), text(step.target)
            case MakeDirectory():
                packed.op, packed.number, packed.a = lib.STEP_MKDIR, step.mode, text(step.path)
            case MakeFile():
                packed.op, packed.number, packed.a = lib.STEP_FILE, 0o644, text(step.path)
            case Protect():
                packed.op, packed.a = lib.STEP_PROTECT, text(step.path)
            case Pivot():
                packed.op, packed.a = lib.STEP_PIVOT, text(step.path)
            case Cover():
                packed.op, packed.a = lib.STEP_COVER, text(step.path)
            case Detach():
                packed.op = lib.STEP_DETACH
    return CompiledSteps(tuple(steps), array, tuple(keep))
