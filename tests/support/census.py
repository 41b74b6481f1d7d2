"""What a program and all below it hold on this machine, to be compared before and after: nothing may be left."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.support.programs import alive, descendants, eventually

Census = dict[str, object]
STILL = 20


def census(pid: int, temporary: Path | None = None) -> Census:
    """Return what the processes from `pid` on hold, and what is on the machine that could only be theirs.

    Descriptors by kind, so that a difference names what leaks. `temporary` is their directory for temporary files.
    """
    living = sorted(each for each in {pid, *descendants(pid)} if alive(each))
    kinds: collections.Counter[str] = collections.Counter()
    for each in living:
        kinds.update(_kinds(each))
    return {
        "processes": len(living),
        "descriptors": dict(sorted(kinds.items())),
        "mounts": sorted(_lines(each, "mountinfo") for each in living),
        "mappings of shared memory": sum(_shared(each) for each in living),
        "network namespaces": len(_namespaces(living, "net")),
        "ipc namespaces": len(_namespaces(living, "ipc")),
        "system v": _system_v(),
        "/dev/shm": sorted(name for name in os.listdir("/dev/shm") if "maelstrom" in name),
        "cgroups": _cgroups(pid),
        "temporary files": sorted(os.listdir(temporary)) if temporary is not None else [],
    }


def settled(look: Callable[[], Census]) -> Census:
    """Return a census when it has stopped changing: what a job held is let go of when there is time."""
    counts = [look()]

    def is_still() -> bool:
        counts.append(look())
        return len(counts) > STILL and all(count == counts[-1] for count in counts[-STILL:])

    assert eventually(is_still), counts[-2:]
    return counts[-1]


def growth(before: Census, after: Census) -> dict[str, object]:
    """Return what there is more of, as leaks are; that there is less only means that we looked before all was quiet."""
    found: dict[str, object] = {}
    for name, value in before.items():
        now = after[name]
        if isinstance(value, dict) and isinstance(now, dict):
            for each in now:
                if now[each] > value.get(each, 0):
                    found[f"{name}: {each}"] = (value.get(each, 0), now[each])
        elif isinstance(value, list) and isinstance(now, list):
            if sum(map(int, now)) > sum(map(int, value)) if name == "mounts" else set(now) - set(value):
                found[name] = (value, now)
        elif isinstance(value, int) and isinstance(now, int) and now > value:
            found[name] = (value, now)
    return found


def private_memory(pid: int) -> int:
    """Return the private memory of the processes from `pid` on, in KiB."""
    total = 0
    for each in filter(alive, {pid, *descendants(pid)}):
        with suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Private_Dirty:", "Private_Clean:")):
                    total += int(line.split()[1])
    return total


def _kinds(pid: int) -> list[str]:
    kinds = []
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # closed meanwhile
                link = os.readlink(f"/proc/{pid}/fd/{name}")
                kinds.append(link.split("/")[1] or "root" if link.startswith("/") else link.split(":")[0])
    return kinds


def _lines(pid: int, name: str) -> int:
    with suppress(OSError):
        return len(Path(f"/proc/{pid}/{name}").read_text().splitlines())
    return 0


def _shared(pid: int) -> int:
    with suppress(OSError):
        return sum("/memfd:" in line for line in Path(f"/proc/{pid}/maps").read_text().splitlines())
    return 0


def _namespaces(pids: list[int], kind: str) -> set[str]:
    found = set()
    for pid in pids:
        with suppress(OSError):
            found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
    return found


def _system_v() -> dict[str, int]:
    """Return how many objects the machine has; tests that make some keep to namespaces of their own."""
    return {kind: len(Path(f"/proc/sysvipc/{kind}").read_text().splitlines()) for kind in ("shm", "sem", "msg")}


def _cgroups(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = Path(f"/sys/fs/cgroup{line[3:]}")
                return sum(1 for _ in own.rglob("cgroup.procs")) if line[3:] != "/" and own.is_dir() else 0
    return 0
