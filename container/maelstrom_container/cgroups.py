"""Which controllers of cgroups (version 2) may be used here, and for what: decisions over texts of the kernel.

A job is limited as a whole by a group of its own. Groups can be made where the group that we live in is *delegated* to
us; controllers can be enabled for groups below it only while nobody lives in it but us, who then move into a group of
our own (the kernel's rule of no internal processes). `cgroup_tree` does it, `job_groups` makes the groups of jobs.

Pure: what is read comes through a `Look`. Imports nothing but the vocabulary of specifications.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Protocol

import msgspec

from maelstrom_core.spec import Limits

CONTROLLERS = ("cpu", "memory", "pids")
CONTROLLER_OF = {"memory": "memory", "processes": "pids", "cpu_weight": "cpu"}
"""The fields of Limits that a group can keep, and by which controller."""
_LOOKS = 3
_FURTHEST = 64
"""Ancestors of a process that are looked at."""


class Look(Protocol):
    """How the machine is looked at."""

    def read(self, path: str) -> str | None:
        """Return the text of a file, None if it cannot be read."""

    def writable(self, path: str) -> bool:
        """Tell whether a path can be written."""


class Delegated(msgspec.Struct, frozen=True):
    """Groups can be made in `directory`, with these controllers."""

    directory: str
    controllers: tuple[str, ...]
    enable: tuple[str, ...]
    """Those of them that are not enabled yet."""
    shared: bool = False
    """It is the root of all groups, where the rule of no internal processes does not hold."""


class NotDelegated(msgspec.Struct, frozen=True):
    """No groups can be made; `reason` stands after "because" or a colon."""

    reason: str
    hierarchy: bool = True
    """Whether there is a hierarchy of version 2 that has controllers at all."""


def delegation(look: Look) -> Delegated | NotDelegated:
    """Return what may be done with the group that the looking process lives in."""
    group = own_group(look.read("/proc/self/cgroup") or "")
    directory = None if group is None else directory_of(group, look.read("/proc/self/mountinfo") or "")
    if directory is None:
        return NotDelegated("no cgroups of version 2 are to be seen here", hierarchy=False)
    usable = [name for name in CONTROLLERS if name in _words(look.read(f"{directory}/cgroup.controllers"))]
    if not usable:
        root = look.read(f"{directory}/cgroup.type") is None
        where = "the cgroups of version 2 have" if root else "our cgroup has"
        return NotDelegated(f"{where} none of the controllers {', '.join(CONTROLLERS)}", hierarchy=not root)
    files = ("cgroup.procs", "cgroup.subtree_control")
    if not all(look.writable(path) for path in (directory, *(f"{directory}/{name}" for name in files))):
        return NotDelegated("our cgroup is not delegated to this user")
    kind = look.read(f"{directory}/cgroup.type")
    if kind is not None and kind.strip() != "domain":
        return NotDelegated(f"our cgroup is of the kind `{kind.strip()}`, not `domain`")
    if kind is not None and (others := strangers(look, directory)):
        return NotDelegated(f"other programs are in our cgroup ({_listed(others)})")
    enabled = _words(look.read(f"{directory}/cgroup.subtree_control"))
    enable = tuple(name for name in usable if name not in enabled)
    return Delegated(directory, tuple(usable), enable, shared=kind is None)


def own_group(text: str) -> str | None:
    """Return the path of a process's group of version 2, from its /proc/PID/cgroup; None if it has none."""
    return next((line[3:] for line in text.splitlines() if line.startswith("0::/")), None)


def directory_of(group: str, mountinfo: str) -> str | None:
    """Return where a group can be seen, from /proc/PID/mountinfo; None where no mount shows it.

    A mount may show a part of the hierarchy only. Of two at the same place the later covers the earlier.
    """
    found = None
    if group.startswith("/.."):  # above the root of our cgroup namespace
        return None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or after.split(" ")[0] != "cgroup2":
            continue
        root, point = _unescaped(fields[3]), _unescaped(fields[4])
        relative = posixpath.relpath(group, root)
        if ".." not in relative.split("/") and "/.." not in root:
            found = posixpath.normpath(f"{point}/{relative}")
    return found


def strangers(look: Look, directory: str) -> list[int]:
    """Return the processes in a group that are neither the looking one nor below it; 0 is one that cannot be seen.

    Who cannot be told counts as one, unless that changes when it is looked at again: processes come and go.
    """
    own = _number((look.read("/proc/self/stat") or "").split(" ")[0])
    found: set[int] = set()
    for _ in range(_LOOKS):
        members = {_number(line) for line in (look.read(f"{directory}/cgroup.procs") or "").split()}
        found = {each for each in members if not _descends(look, each, own)}
        if not found:
            break
    return sorted(found)


def _descends(look: Look, process: int, ancestor: int) -> bool:
    for _ in range(_FURTHEST):
        stat = None if process in {0, ancestor} else look.read(f"/proc/{process}/stat")
        if stat is None:
            break
        process = _number(stat.rpartition(")")[2].split()[1])  # its parent
    return process == ancestor and process != 0


def kept_by_groups(limits: Limits, controllers: Iterable[str]) -> Limits:
    """Return the part of the limits that a group with these controllers keeps."""
    names = [name for name, controller in CONTROLLER_OF.items() if controller in controllers]
    return Limits(**{name: getattr(limits, name) for name in names})


def kept_by_processes(limits: Limits, controllers: Iterable[str]) -> Limits:
    """Return the rest: what each process is to be limited to by itself, as far as the kernel can."""
    kept = kept_by_groups(limits, controllers)
    given = {name: None for name in CONTROLLER_OF if getattr(kept, name) is not None}
    return msgspec.structs.replace(limits, **{**given, "cpu_weight": None})


def lacking(limits: Limits, controllers: Iterable[str], reason: str, *, root: bool) -> str | None:
    """Say which limits hold less than they say; None where all do. `root`: whether jobs belong to a real root."""
    parts = []
    if limits.memory is not None and "memory" not in controllers:
        parts.append("memory is limited for each process by itself, not for the job")
    if limits.processes is not None and "pids" not in controllers and root:
        parts.append("the number of processes is not limited, since the kernel does not count those of root")
    if limits.cpu_weight is not None and "cpu" not in controllers:
        parts.append("cpu_weight has no effect")
    return f"{'; '.join(parts)}: {reason}" if parts else None


def written(limits: Limits, controllers: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return what is to be written into the files of a job's group; those that a kernel does not have can be left out.

    What is swapped out is not to go past the limit, and who is out of memory ends as a whole.
    """
    kept, files = kept_by_groups(limits, controllers), []
    if kept.memory is not None:
        files += [("memory.max", str(kept.memory)), ("memory.swap.max", "0"), ("memory.oom.group", "1")]
    if kept.processes is not None:
        files.append(("pids.max", str(kept.processes)))
    if kept.cpu_weight is not None:
        files.append(("cpu.weight", str(kept.cpu_weight)))
    return tuple(files)


def counter(text: str | None, name: str) -> int | None:
    """Return a number of a file of lines `name number`."""
    for line in (text or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdecimal():
            return int(value)
    return None


def _words(text: str | None) -> list[str]:
    return (text or "").split()


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _listed(processes: list[int]) -> str:
    shown = ", ".join("one that cannot be seen from here" if each == 0 else f"process {each}" for each in processes[:3])
    return f"{shown} and {len(processes) - 3} more" if len(processes) > 3 else shown


def _unescaped(text: str) -> str:
    """Undo what mountinfo does to spaces and the like."""
    first, *others = text.split("\\")
    return first + "".join(chr(int(other[:3], 8)) + other[3:] for other in others)
