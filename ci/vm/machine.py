"""Runs a guest in the emulator: shows its console, knows its result, bounds its time, leaves nothing behind."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ci.vm.initramfs import archive
from ci.vm.kernels import VmError

EMULATOR = "qemu-system-x86_64"
HERE = Path(__file__).parent
DISK_BYTES = 8 << 30  # sparse: takes what is written


class Plan(NamedTuple):
    """What the guest is to do: see guest.py, which reads it as JSON."""

    tree: str
    command: list[str]
    users: list[str]
    """Who runs it, one after the other: "root", "user"."""
    keep: list[str]
    """What the users must reach, wherever it is: the tree, the interpreter."""
    homes: list[str]
    """What is covered by empty directories."""
    path: str


class Size(NamedTuple):
    """How large a guest is, and for how long it may run, in seconds."""

    processors: int
    megabytes: int
    seconds: float


def run(kernel: Path, plan: Plan, size: Size) -> int:
    """Run a guest; returns the exit status that it reported. Raises VmError if it reported none."""
    if platform.machine() != "x86_64":
        raise VmError(f"the guest shows this machine's programs to x86-64 kernels: this is {platform.machine()}")
    if any(" " in part for part in (sys.executable, str(HERE))):
        raise VmError("the guest's kernel takes no paths with spaces: move the tree to another directory")
    with tempfile.TemporaryDirectory(prefix="maelstrom-vm-", dir="/var/tmp") as place:
        made = Path(place)
        _make_initramfs(kernel, plan, made / "initramfs")
        _make_disk(made / "disk")
        with _started(_command(kernel, made, size)) as emulator:
            late = threading.Event()

            def end() -> None:
                late.set()
                emulator.kill()

            timer = threading.Timer(size.seconds, end)
            timer.start()
            try:
                _show(emulator)
                emulator.wait()
            finally:
                timer.cancel()
        if late.is_set():
            raise VmError(f"the guest was ended: it took longer than {size.seconds:.0f} s")
        return _result(made / "result", emulator.returncode)


def _make_initramfs(kernel: Path, plan: Plan, target: Path) -> None:
    init = target.with_name("init")
    _tool(
        ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", str(init), str(HERE / "init.c")], "compile init"
    )
    files = {f"modules/{path.name}": path.read_bytes() for path in sorted((kernel / "modules").iterdir())}
    files["init"] = init.read_bytes()
    files["plan.json"] = json.dumps(plan._asdict()).encode()
    files["dev/.keep"] = b""
    files["host/.keep"] = b""
    target.write_bytes(archive(files))


def _make_disk(target: Path) -> None:
    with target.open("wb") as disk:
        disk.truncate(DISK_BYTES)
    tool = shutil.which("mke2fs", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    _tool([tool or "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", str(target)], "make the guest's disk")


def _tool(command: list[str], doing: str) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise VmError(f"failed to {doing}: {command[0]} is missing") from error
    if done.returncode != 0:
        raise VmError(f"failed to {doing}: {done.stderr.strip()}")


def _command(kernel: Path, made: Path, size: Size) -> list[str]:
    # what follows -- goes to init: the program that it becomes
    fast = "mitigations=off tsc=reliable no_timer_check"  # what an emulator has no use for, or is too slow for
    line = f"console=ttyS0 quiet panic=-1 {fast} -- {sys.executable} -I -S {HERE / 'guest.py'}"
    return [
        *("setpriv", "--pdeathsig", "KILL", "nice", "-n", "19", EMULATOR),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *(
            "-machine",
            "q35,accel=tcg",
            "-cpu",
            "max,la57=off",
            "-smp",
            str(size.processors),
            "-m",
            f"{size.megabytes}M",
        ),
        *("-kernel", str(kernel / "vmlinuz"), "-initrd", str(made / "initramfs"), "-append", line),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *("-serial", f"file:{made / 'result'}"),
        *("-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=host,mount_tag=host", "-device", "virtio-rng-pci"),
        *("-drive", f"file={made / 'disk'},if=virtio,format=raw,cache=unsafe"),
    ]


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the emulator; it ends at the latest with the block, and with this process."""
    if shutil.which(EMULATOR) is None:
        raise VmError(f"{EMULATOR} is missing: install it (Debian, Ubuntu: the package qemu-system-x86)")
    # stdin is a pipe that says nothing: the emulator would put a terminal into raw mode
    emulator = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
    try:
        yield emulator
    finally:
        emulator.kill()
        emulator.wait()
        for stream in (emulator.stdin, emulator.stdout):
            if stream is not None:
                stream.close()


def _show(emulator: subprocess.Popen[bytes]) -> None:
    """Pass on what the guest's console says, until its end."""
    assert emulator.stdout is not None
    while text := os.read(emulator.stdout.fileno(), 1 << 16):
        sys.stdout.buffer.write(text.replace(b"\r", b""))
        sys.stdout.buffer.flush()


def _result(file: Path, code: int) -> int:
    found = re.fullmatch(r"result (-?\d+)\s*", file.read_text(errors="replace") if file.exists() else "")
    if found is None:
        raise VmError(f"the guest ended without a result (the emulator's exit status: {code}): see its console, above")
    return int(found[1]) & 0xFF
