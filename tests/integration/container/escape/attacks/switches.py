"""Opens for writing whatever of /proc and /sys is not a process's."""

import os
import sys

from base import got, tried

ROOTS = sys.argv[1:]


def open_all(directory: str) -> None:
    for entry in os.scandir(directory):
        if entry.name.isdigit() or entry.is_symlink():
            continue
        if entry.is_dir():
            try:
                open_all(entry.path)
            except OSError:
                continue
        elif entry.stat(follow_symlinks=False).st_mode & 0o222:
            try:
                os.close(os.open(entry.path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue
            got(entry.path)


for root in ROOTS:
    open_all(root)
tried()
