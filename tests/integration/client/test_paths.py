"""Where relative paths of a specification start, through the whole stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HOST = ["/usr", "/bin", "/lib", "/lib64"]


def test_ex53_a_relative_bind_mount_starts_at_the_project_directory(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "file").write_text("content")
    job = {
        "layers": [{"host": [name for name in HOST if os.path.isdir(name)]}],
        "mounts": [{"type": "bind", "mount_point": "/mnt", "local_path": "data", "read_only": True}],
        "program": "/bin/cat",
        "arguments": ["/mnt/file"],
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAELSTROM_")}
    environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_CONFIG_HOME": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "maelstrom_run"],
        input=json.dumps(job).encode(),
        cwd=project,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"content", b"")
