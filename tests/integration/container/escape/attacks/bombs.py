"""Fills every file system in memory; says how many bytes, and then how many files, went into each of the arguments."""

import os
import sys

from base import tried

PIECE = bytes(1 << 20)
LIMIT = 64 << 20
MOST_FILES = 10_000
"""Were there no limit, the machine is to survive."""

for directory in sys.argv[1:]:
    path, written = f"{directory}/bomb", 0
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while written < LIMIT:
            written += os.write(fd, PIECE)
    except OSError as error:
        print(directory, written, error.errno, flush=True)
    else:
        print(directory, written, 0, flush=True)
    try:
        os.posix_fallocate(fd, 0, LIMIT)
    except OSError:
        pass
    else:
        print(directory, LIMIT, "fallocate", flush=True)
    os.close(fd)
    os.unlink(path)
    made = 0
    try:
        while made < MOST_FILES:
            os.close(os.open(f"{path}{made}", os.O_WRONLY | os.O_CREAT, 0o600))
            made += 1
    except OSError as error:
        print(directory, made, error.errno, flush=True)
    else:
        print(directory, made, 0, flush=True)
    for number in range(made):
        os.unlink(f"{path}{number}")
tried()
