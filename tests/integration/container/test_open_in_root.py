"""Opening what lies in a root while the rest of the machine goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from maelstrom_container import syscalls

RENAMES = "import os, sys\nprint(flush=True)\nwhile True:\n    os.rename('a', 'b'); os.rename('b', 'a')\n"


def test_a_link_with_dots_is_followed_whatever_is_renamed_elsewhere(tmp_path: Path) -> None:
    """The kernel cannot be sure of a ".." while anything is renamed or mounted anywhere, and says: try again."""
    (tmp_path / "a").touch()
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "link").symlink_to("../../../etc")
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    with subprocess.Popen([sys.executable, "-c", RENAMES], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(20_000):
                os.close(syscalls.open_in_root(fd, "/link"))
        finally:
            process.kill()
            os.close(fd)
