"""Writes to what runs outside (CVE-2019-5736): what is there already, so that only the time shows it."""

import contextlib
import os
import sys

from base import tried

for path in sys.argv[1:]:
    for flags in (os.O_RDWR, os.O_WRONLY):
        with contextlib.suppress(OSError):
            fd = os.open(path, flags)
            os.pwrite(fd, b"\x7fELF" if path.endswith("exe") else b"#", 0)
            os.close(fd)
    with contextlib.suppress(OSError):
        os.chmod(path, 0o666)
    with contextlib.suppress(OSError):
        os.utime(path, (1, 1))
tried()
