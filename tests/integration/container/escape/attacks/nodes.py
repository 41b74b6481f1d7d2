"""Makes device nodes, and runs what changes its user."""

import os
import stat

from base import attempt, got, tried

NODES = ((stat.S_IFCHR, 1, 1), (stat.S_IFCHR, 1, 5), (stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 254, 0))


def make(path: str, kind: int, major: int, minor: int) -> None:
    os.mknod(path, kind | 0o666, os.makedev(major, minor))


for place in ("/tmp", "/dev/shm", "/", "/var/tmp", "/run"):
    for node in NODES:
        path = f"{place}/node{node[1]}.{node[2]}"
        attempt(path, lambda path=path, node=node: make(path, *node))
for device in ("null", "zero", "full", "random", "urandom", "tty"):
    attempt(f"chmod {device}", lambda device=device: os.chmod(f"/dev/{device}", 0o666))
    attempt(f"unlink {device}", lambda device=device: os.unlink(f"/dev/{device}"))
attempt("/dev/tty", lambda: os.open("/dev/tty", os.O_RDWR))
if os.getuid() != 0:
    for number in (0, 1, 65534):
        attempt("setuid", lambda number=number: os.setuid(number))
        attempt("setgroups", lambda number=number: os.setgroups([number]))
for fd in (0, 1, 2):
    if os.isatty(fd):
        got("terminal", fd)
tried()
