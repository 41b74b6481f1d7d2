"""An interpreter in a directory of its own, with pytest and little else: what a test can afford to send elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from tests.support.python_image import PROJECT_WHEELS, VERSION

_LEFT_OUT = (
    *("test", "tests", "site-packages", "dist-packages", "ensurepip", "idlelib", "tkinter", "turtledemo", "lib2to3"),
    *("pydoc_data", "config-*", "distutils", "xmlrpc", "wsgiref", "dbm", "curses", "sqlite3"),
)


def small_python(prefix: Path) -> Path:
    """Make one below `prefix`; return its executable."""
    executable = prefix / "bin" / VERSION
    executable.parent.mkdir(parents=True)
    shutil.copyfile(os.path.realpath(sys.executable), executable)
    executable.chmod(0o755)
    library = prefix / "lib" / VERSION
    ignored = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignored)
    for shared in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
        shutil.copyfile(shared, prefix / "lib" / shared.name)
    packages = Path(_packages(executable))
    for name in PROJECT_WHEELS:
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.exists():
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)  # with its time: else what is compiled would count as old
    return executable


def _packages(executable: Path) -> str:
    """Return where it looks for packages: distributions have names of their own for that."""
    command = [str(executable), "-c", "import site; print(site.getsitepackages()[-1])"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
