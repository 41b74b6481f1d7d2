"""What this machine allows a container, and which switch to turn where it does not.

`check` is pure over a `Host`; `doctor_host.ThisHost` is the real one. `explain` finds the relevant remedy when a
container could not be started. Imports decisions only; the real host is imported when needed.
"""

from __future__ import annotations

import enum
import errno as errnos
import os
import sys
from pathlib import Path
from typing import Protocol

import msgspec

from maelstrom_container.cgroups import CONTROLLERS, NotDelegated, delegation

OLDEST_KERNEL = (5, 13)
"""The oldest that it was seen working on: overlays without root came with 5.11, mount_setattr with 5.12."""
KERNEL_WITH_TMPFS_ATTRIBUTES = (6, 6)
_ENOUGH_FILES = 4096
_KERNEL_REMEDY = f"run Linux {OLDEST_KERNEL[0]}.{OLDEST_KERNEL[1]} or newer"
_CLONE_SWITCH = "/proc/sys/kernel/unprivileged_userns_clone"
_MAX_SWITCH = "/proc/sys/user/max_user_namespaces"
_APPARMOR_SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

_CLONE_REMEDY = "sudo sysctl -w kernel.unprivileged_userns_clone=1"
_MAX_REMEDY = "sudo sysctl -w user.max_user_namespaces=15000"
_APPARMOR_REMEDY = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
_OUTER_REMEDY = "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined ..."
_PROC_REMEDY = "docker run --security-opt systempaths=unconfined ..."
_CGROUP_REMEDY = "systemd-run --user --scope -p Delegate=yes maelstrom-run ..."
_UNIFIED_REMEDY = "boot with systemd.unified_cgroup_hierarchy=1"
_CACHE_REMEDY = "--cache-root DIRECTORY, with a directory on a local file system (ext4, btrfs, xfs, tmpfs)"


class Health(enum.Enum):
    """How well something works: as it should, with something lacking, or not at all."""

    OK = "ok"
    DEGRADED = "degraded"
    MISSING = "missing"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: what its state means, and the command or setting that mends it."""

    name: str
    health: Health
    meaning: str
    remedy: str | None = None


class Host(Protocol):
    """What the doctor asks a machine."""

    def read(self, path: str) -> str | None:
        """Return the text of a file, None if it cannot be read."""

    def writable(self, path: str) -> bool:
        """Tell whether a path can be written."""

    def kernel(self) -> tuple[int, int]:
        """Return the version of the kernel."""

    def open_files(self) -> tuple[int, int]:
        """Return the soft and the hard limit of open files, -1 for no limit."""

    def attempt(self) -> dict[str, int]:
        """Try what a container needs; errno by step."""


def check(host: Host) -> list[Finding]:
    """Look at everything; what is missing first explains what follows from it."""
    attempt = host.attempt()
    return [
        _kernel(host),
        _user_namespaces(host, attempt),
        _capabilities(host, attempt),
        _overlay(host, attempt),
        _proc(attempt),
        _seccomp(host),
        _cgroups(host),
        _open_files(host),
    ]


def explain(errno: int, step: str, host: Host | None = None) -> str | None:
    """Return what to do about a failed step of a container's start, None if this machine seems fine.

    `step` says what was tried, in words ("clone", "write setgroups", "mount overlay on /", ...).
    """
    if errno not in {errnos.EPERM, errnos.EACCES, errnos.ENOSPC, errnos.EINVAL, errnos.ENOSYS, errnos.EUSERS}:
        return None
    if errno in {errnos.EINVAL, errnos.EACCES} and not any(
        each in step for each in ("overlay", "proc", "map", "group")
    ):
        return None
    order = ["kernel", "user namespaces", "capabilities"]
    order += [name for name in ("overlay", "proc") if name in step]
    findings = {finding.name: finding for finding in check(host or _this_host())}
    for name in order:
        finding = findings[name]
        if finding.health is not Health.OK:
            text = f"{finding.name}: {finding.meaning}"
            return f"{text}; try: {finding.remedy}" if finding.remedy else text
    return None


def render(findings: list[Finding]) -> str:
    """Return the findings as text, a line or two for each."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.health.value:<9} {finding.name:<16} {finding.meaning}")
        if finding.remedy is not None:
            lines.append(f"{'':<26} try: {finding.remedy}")
    return "\n".join(lines)


def main(cache_root: Path | None = None) -> int:
    """Print all findings; returns the exit code: 0 if containers can run here, 3 if not."""
    findings = check(_this_host(cache_root))
    sys.stdout.write(render(findings) + "\n")
    return 3 if any(finding.health is Health.MISSING for finding in findings) else 0


def _this_host(cache_root: Path | None = None) -> Host:
    from maelstrom_container.doctor_host import ThisHost

    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "maelstrom")
    return ThisHost(cache_root or default)


def _kernel(host: Host) -> Finding:
    version = host.kernel()
    text = f"Linux {version[0]}.{version[1]}"
    if version < OLDEST_KERNEL:
        meaning = f"{text} lacks what containers without root are made with"
        return Finding("kernel", Health.MISSING, meaning, _KERNEL_REMEDY)
    if version < KERNEL_WITH_TMPFS_ATTRIBUTES:
        # the upper layer of a job is a tmpfs, and an opaque directory is marked by an extended attribute
        meaning = f"{text}: in a writable container, a directory that came with it cannot be removed and made again"
        return Finding("kernel", Health.DEGRADED, meaning, "run Linux 6.6 or newer")
    return Finding("kernel", Health.OK, text)


def _user_namespaces(host: Host, attempt: dict[str, int]) -> Finding:
    name = "user namespaces"
    if not attempt:
        return Finding(name, Health.MISSING, "could not be tried: the cache directory cannot be used", _CACHE_REMEDY)
    error = attempt.get("user namespace", errnos.EPERM)
    if not error:
        return Finding(name, Health.OK, "can be made without root")
    if _number(host, _CLONE_SWITCH) == 0:
        return Finding(name, Health.MISSING, "this system allows them to root only", _CLONE_REMEDY)
    if _number(host, _MAX_SWITCH) == 0:
        return Finding(name, Health.MISSING, "this system allows none at all", _MAX_REMEDY)
    if error in {errnos.ENOSPC, errnos.EUSERS}:
        return Finding(name, Health.MISSING, "there are too many already, or they are nested too deeply", _MAX_REMEDY)
    if error == errnos.EINVAL:
        return Finding(name, Health.MISSING, "this kernel was built without them", "run a kernel with CONFIG_USER_NS")
    if _filtered(host):
        meaning = "the container that this runs in forbids them (seccomp)"
        return Finding(name, Health.MISSING, meaning, _OUTER_REMEDY)
    if _number(host, _APPARMOR_SWITCH) == 1:
        return Finding(name, Health.MISSING, "AppArmor forbids them to this program", _APPARMOR_REMEDY)
    meaning = f"the kernel refuses to make them ({os.strerror(error)})"
    return Finding(
        name, Health.MISSING, meaning, "look for a security policy (SELinux, AppArmor, chroot) that forbids it"
    )


def _capabilities(host: Host, attempt: dict[str, int]) -> Finding:
    """Namespaces can be made, but nothing may be done in them: that is what Ubuntu's restriction looks like."""
    name = "capabilities"
    failed = next((step for step in ("setgroups", "id map", "namespaces", "mount") if attempt.get(step)), None)
    if failed is None:
        if "mount" in attempt:
            return Finding(name, Health.OK, "a user namespace may mount file systems")
        return Finding(name, Health.MISSING, "need user namespaces")
    reason = f"{failed}: {os.strerror(attempt[failed])}"
    if _number(host, _APPARMOR_SWITCH) == 1:
        meaning = f"AppArmor takes all rights from user namespaces of this program ({reason})"
        return Finding(name, Health.MISSING, meaning, _APPARMOR_REMEDY)
    meaning = f"a user namespace may not be set up here ({reason})"
    remedy = _OUTER_REMEDY if _filtered(host) else "look for a security policy (SELinux, AppArmor) that forbids it"
    return Finding(name, Health.MISSING, meaning, remedy)


def _overlay(host: Host, attempt: dict[str, int]) -> Finding:
    name = "overlay"
    if "overlay" not in attempt:
        return Finding(name, Health.MISSING, "needs capabilities")
    error = attempt["overlay"]
    if error == errnos.ENODEV:
        return Finding(name, Health.MISSING, "this kernel has no overlay file system", "sudo modprobe overlay")
    if error == errnos.EPERM and host.kernel() < OLDEST_KERNEL:
        return Finding(name, Health.MISSING, "this kernel mounts overlays for root only", _KERNEL_REMEDY)
    if error:
        meaning = f"cannot be mounted over the cache directory ({os.strerror(error)})"
        return Finding(name, Health.MISSING, meaning, _CACHE_REMEDY)
    if attempt.get("whiteout") or attempt.get("opaque"):
        meaning = "the cache directory cannot hold layers that delete files of other layers"
        return Finding(name, Health.DEGRADED, meaning, _CACHE_REMEDY)
    return Finding(name, Health.OK, "can be mounted over the cache directory")


def _proc(attempt: dict[str, int]) -> Finding:
    if "proc" not in attempt:
        return Finding("proc", Health.MISSING, "needs capabilities")
    if attempt["proc"]:
        meaning = "/proc cannot be mounted: the container that this runs in hides parts of its own"
        return Finding("proc", Health.DEGRADED, meaning, _PROC_REMEDY)
    return Finding("proc", Health.OK, "can be mounted")


def _seccomp(host: Host) -> Finding:
    actions = host.read("/proc/sys/kernel/seccomp/actions_avail")
    if actions is None or "errno" not in actions.split():
        meaning = "this kernel cannot filter the system calls of jobs"
        return Finding(
            "seccomp", Health.MISSING, meaning, 'run a kernel with CONFIG_SECCOMP_FILTER, or `seccomp = "off"`'
        )
    above = "; a filter applies to this program itself, too" if _filtered(host) else ""
    return Finding("seccomp", Health.OK, f"system calls of jobs can be filtered{above}")


def _cgroups(host: Host) -> Finding:
    """Say what limits of jobs come to; that others are in the group of a shell need not hold for what it starts."""
    name = "cgroups"
    found = delegation(host)
    if isinstance(found, NotDelegated):
        meaning = f"{found.reason}: memory is limited for each process only, not for jobs; cpu_weight has no effect"
        return Finding(name, Health.DEGRADED, meaning, _CGROUP_REMEDY if found.hierarchy else _UNIFIED_REMEDY)
    lacking_ones = [each for each in CONTROLLERS if each not in found.controllers]
    if lacking_ones:
        return Finding(name, Health.DEGRADED, f"delegated without {', '.join(lacking_ones)}", _CGROUP_REMEDY)
    return Finding(name, Health.OK, "delegated: memory, processes and cpu_weight of jobs are limited as a whole")


def _open_files(host: Host) -> Finding:
    soft, hard = host.open_files()
    if hard != -1 and hard < _ENOUGH_FILES:
        meaning = f"at most {hard} per process, which is few for many slots"
        return Finding("open files", Health.DEGRADED, meaning, "raise nofile in /etc/security/limits.conf")
    shown = "without limit" if hard == -1 else f"up to {hard}"
    return Finding("open files", Health.OK, f"{shown} per process (now {soft})")


def _number(host: Host, path: str) -> int | None:
    text = (host.read(path) or "").strip()
    return int(text) if text.isdecimal() else None


def _filtered(host: Host) -> bool:
    """Tell whether a seccomp filter applies, as in a container."""
    status = host.read("/proc/self/status") or ""
    return any(line.split() == ["Seccomp:", "2"] for line in status.splitlines())
