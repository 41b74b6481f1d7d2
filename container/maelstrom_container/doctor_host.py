"""How the doctor looks at the machine it runs on. Imports the doctor's vocabulary only."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_TIMEOUT = 30.0
_MAX_TEXT = 1 << 16


class Reader:
    """Looks at files of the machine."""

    def read(self, path: str) -> str | None:
        """Return the text of a small file, None if it cannot be read."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read(_MAX_TEXT)
        except OSError:
            return None

    def writable(self, path: str) -> bool:
        """Tell whether a path can be written."""
        return os.access(path, os.W_OK)


class ThisHost(Reader):
    """The machine as it is; `cache_root` is where layers would be kept."""

    def __init__(self, cache_root: Path) -> None:
        self._cache_root = cache_root

    def kernel(self) -> tuple[int, int]:
        """Return the version of the kernel."""
        found = re.match(r"(\d+)\.(\d+)", os.uname().release)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def open_files(self) -> tuple[int, int]:
        """Return the soft and the hard limit of open files, -1 for no limit."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)

    def attempt(self) -> dict[str, int]:
        """Try what a container needs; errno by step, as `doctor_child` says. Empty if not even that could be run."""
        script = Path(__file__).with_name("doctor_child.py")
        directory = None
        try:
            self._cache_root.mkdir(parents=True, exist_ok=True)
            directory = tempfile.mkdtemp(prefix=".doctor-", dir=self._cache_root)
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(script), directory],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=True,
            )
            return {str(step): int(errno) for step, errno in json.loads(done.stdout).items()}
        except (OSError, subprocess.SubprocessError, ValueError, AttributeError):
            return {}
        finally:
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)
