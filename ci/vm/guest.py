"""Process 1 of the guest, after init.c: makes a system of what there is, and runs the tests on it.

What it is to do stands in /run/plan.json (a `machine.Plan`). The host's file system is the root, read-only; what must
be writable lies on a disk of its own, in ext4, as on most machines. Cgroups are version 2, and each user has a subtree
with memory, pids and cpu, owned as systemd's Delegate=yes would have it. The result goes to the second serial line:
without it the guest counts as failed. A script for `python -I -S`: imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 2, 4, 8, 4096
RESULT_LINE = "/dev/ttyS1"
DISK = "/dev/vda"
SCRATCH = Path("/run/scratch")
CGROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = "+memory +pids +cpu"
USER = ("maelstrom-vm", 64000)
"""An ordinary user. /etc/passwd does not know it: that would take a mount in /etc, which tests see."""
PATIENCE = "600"
"""For how long tests wait for what should come, in seconds: all takes longer here."""

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str | Path, kind: str, options: str = "", flags: int = 0) -> None:
    """Mount, or raise OSError with the target's name."""
    arguments = (source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode())
    if _libc.mount(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


def bind(source: str | Path, target: str | Path) -> None:
    """Show a file or directory in another place."""
    mount(str(source), target, "", flags=MS_BIND)


def mount_kernel_file_systems() -> None:
    """Mount what every system has; /dev and /run are there."""
    nothing_special = MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount("proc", "/proc", "proc", flags=nothing_special)
    mount("sysfs", "/sys", "sysfs", flags=nothing_special)
    for directory in ("/dev/pts", "/dev/shm", "/dev/mqueue"):
        os.makedirs(directory, exist_ok=True)
    mount("devpts", "/dev/pts", "devpts", "mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC)
    mount("tmpfs", "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV)
    mount("mqueue", "/dev/mqueue", "mqueue", flags=nothing_special)
    mount("cgroup2", CGROUPS, "cgroup2", "nsdelegate,memory_recursiveprot", nothing_special)  # as systemd does
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"/dev/{name}")


def make_places(keep: list[str], homes: list[str]) -> None:
    """Cover what must be writable, and whatever only its owner may enter, but show `keep` in its place again."""
    SCRATCH.mkdir()
    mount(DISK, SCRATCH, "ext4")
    kept = {path: os.open(path, os.O_PATH) for path in keep}
    closed = {str(parent) for path in keep for parent in Path(path).parents if not parent.stat().st_mode & 1}
    outermost = {path for path in closed if not any(path.startswith(f"{other}/") for other in closed)}
    for place in sorted({"/tmp", "/var/tmp", *homes, *outermost}):
        made = SCRATCH / place.strip("/").replace("/", "-")
        made.mkdir(exist_ok=True)
        made.chmod(0o1777 if place in {"/tmp", "/var/tmp"} else 0o755)
        bind(made, place)
    for path, descriptor in kept.items():
        if not os.path.lexists(path):
            os.makedirs(path)
            bind(f"/proc/self/fd/{descriptor}", path)
        os.close(descriptor)


def make_home(user: tuple[str, int]) -> None:
    """Make the directory for a user's own files."""
    os.makedirs(home(user), exist_ok=True)
    os.chown(home(user), user[1], user[1])


def home(user: tuple[str, int]) -> str:
    """Return where a user's own files are."""
    return f"/var/tmp/home-{user[0]}" if user[1] else "/root"


def raise_loopback() -> None:
    """Set the loopback interface up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        get, put, up = 0x8913, 0x8914, 0x1
        answer = fcntl.ioctl(asked, get, struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(asked, put, struct.pack("16sh14x", b"lo", struct.unpack("16sh14x", answer)[1] | up))


def delegate(user: tuple[str, int]) -> Path:
    """Return a cgroup that belongs to a user, with all controllers."""
    (CGROUPS / "cgroup.subtree_control").write_text(CONTROLLERS)
    group = CGROUPS / f"delegated-{user[0]}"
    group.mkdir()
    for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(group / name, user[1], user[1])
    return group


def run(user: tuple[str, int], command: list[str], tree: str, path: str) -> int:
    """Run a command as a user in a cgroup of its own; the exit status. What it leaves running is a failure."""
    group = delegate(user)
    environment = {
        "PATH": path,
        "HOME": home(user),
        "USER": user[0],
        "LOGNAME": user[0],
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MAELSTROM_TEST_PATIENCE": PATIENCE,
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{home(user)}/.hypothesis",
    }
    started = time.monotonic()
    # by way of cat, since programs write otherwise to a terminal, which the console is
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as output:
        (group / "cgroup.procs").write_text("0")  # the child is made where we are
        child = subprocess.Popen(
            command,
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output.stdin,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user[1],
            group=user[1],
            extra_groups=[],
        )
        (CGROUPS / "cgroup.procs").write_text("0")
        code = wait_for(child.pid)
    print(f"##### as {user[0]}: exit status {code}, {time.monotonic() - started:.0f} s", flush=True)
    left = [pid for file in group.rglob("cgroup.procs") for pid in file.read_text().split()]
    if left:
        subprocess.run(["ps", "-f", "-p", ",".join(left)], check=False)
        print(f"##### as {user[0]}: {len(left)} processes were left behind", flush=True)
    return code or bool(left)


def wait_for(process: int) -> int:
    """Return the exit status of a child; wait for whatever else has lost its parent, as process 1 does."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == process:
            return os.waitstatus_to_exitcode(status)


def main() -> int:
    """Do what the plan says; the first exit status that is not 0."""
    plan: dict[str, Any] = json.loads(Path("/run/plan.json").read_text())
    mount_kernel_file_systems()
    make_places(plan["keep"], plan["homes"])
    make_home(USER)
    raise_loopback()
    socket.sethostname("maelstrom-vm")
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
    print(f"##### Linux {os.uname().release}, {seconds:.0f} s since its start", flush=True)
    users = {"root": ("root", 0), "user": USER}
    codes = [run(users[each], plan["command"], plan["tree"], plan["path"]) for each in plan["users"]]
    return next((code for code in codes if code), 0)


def end(result: int | None) -> None:
    """Say what came out, and end the machine: with -no-reboot the emulator does."""
    if result is not None:
        Path(RESULT_LINE).write_text(f"result {result}\n")
    sys.stdout.flush()
    os.sync()
    _libc.reboot(0x01234567)


if __name__ == "__main__":
    outcome = None
    try:
        outcome = main()
    except Exception:  # noqa: BLE001 the end of process 1 would be a panic, which says less
        traceback.print_exc()
    end(outcome)
