"""Reads what the kernel tells to root only, of itself and of the machine."""

import contextlib
import os

from base import got, tried

FILES = (
    *("/proc/kcore", "/proc/kmsg", "/proc/timer_list", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/pagetypeinfo"),
    *("/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/proc/allocinfo"),
    *("/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/nvram"),
)
DIRECTORIES = ("/sys/firmware", "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/proc/scsi")


def read(path: str) -> None:
    if os.stat(path).st_mode & 0o004:
        return  # everybody may
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if os.read(fd, 16):
        got("read", path)
    os.close(fd)


below = (os.path.join(at, name) for top in DIRECTORIES for at, _, names in os.walk(top) for name in names)
for path in (*FILES, *below):
    with contextlib.suppress(OSError):
        read(path)
for path in ("/proc/kallsyms", "/proc/modules", "/proc/iomem"):
    with contextlib.suppress(OSError), open(path) as file:
        for line in file:
            address = (line.split()[-1] if path.endswith("modules") else line.split()[0]).split("-")[0]
            if address.strip("0x"):
                got("address", path, line)
                break
tried()
