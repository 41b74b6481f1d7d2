"""The guest's files, compiled once for the project's interpreter, in a directory that a container can be shown.

Compiling them takes longer than running them, and the guest starts once per test. The directory's name is made of
what it holds, so it is never changed and may be shared by concurrent runs; it is published by one rename.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from maelstrom_container.templates import library
from maelstrom_core.errors import InfrastructureError, UserError
from maelstrom_pytest.interpreter import Interpreter

MODULES = (
    "boot",
    "channel",
    "cov_report",
    "covered",
    "early",
    "expressions",
    "fill",
    "forks",
    "heap",
    "hooks",
    "hush",
    "junit",
    "options",
    "places",
    "plugin",
    "renew",
    "reports",
    "safety",
    "start",
    "template",
    "warm",
)
SOURCE = Path(__file__).parent / "guest"

# An unchecked hash: the interpreter takes the compiled file without looking at the source.
COMPILE = """
import os, py_compile, sys
for name in sys.argv[3:]:
    py_compile.compile(os.path.join(sys.argv[1], name + ".py"), dfile=sys.argv[2] + "/" + name + ".py", doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


def stage(cache: Path, interpreter: Interpreter, mount_point: str) -> Path:
    """Return a directory with the guest's sources and compiled files for an interpreter, making it if need be.

    Raises UserError if the cache cannot be written, InfrastructureError if the interpreter cannot compile the guest.
    """
    target = place(cache, interpreter, mount_point)
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="new-", ignore_cleanup_errors=True) as scratch:
            fresh = write_sources(Path(scratch))
            _compile(fresh, interpreter, mount_point)
            publish(fresh, target)
    except OSError as error:
        raise not_written(target, error) from error
    return target


def write_sources(scratch: Path) -> Path:
    """Write what is to be compiled into a new directory below `scratch`, and return that. Raises OSError."""
    fresh = scratch / "guest"
    fresh.mkdir()
    for module in MODULES:
        shutil.copyfile(SOURCE / f"{module}.py", fresh / f"{module}.py")
    shutil.copyfile(library(), fresh / "template.so")
    return fresh


def publish(fresh: Path, target: Path) -> None:
    """Give a complete directory its name. Raises OSError."""
    try:
        fresh.rename(target)
    except OSError:
        if not target.is_dir():  # else another run has published the same just now
            raise


def not_written(target: Path, error: OSError) -> UserError:
    """Return the error for files that could not be written."""
    return UserError(
        f"failed to write the files of the pytest guest to {target}: {error.strerror}",
        hint="give --cache-root a writable directory",
    )


def place(cache: Path, interpreter: Interpreter, mount_point: str, *, compiled_by: str = "") -> Path:
    """Return the directory for an interpreter; `compiled_by` names one that is not this machine's."""
    from blake3 import blake3

    digest = blake3()
    for path in (*(SOURCE / f"{module}.py" for module in MODULES), library()):
        digest.update(path.read_bytes())
    version = ".".join(map(str, interpreter.version))
    for text in (mount_point, interpreter.cache_tag or "", version, *([compiled_by] if compiled_by else [])):
        digest.update(os.fsencode(text) + b"\0")
    return cache / "pytest-guest" / f"{digest.hexdigest(16)}-{interpreter.cache_tag or 'plain'}"


def _compile(directory: Path, interpreter: Interpreter, mount_point: str) -> None:
    result = subprocess.run(
        [interpreter.executable, "-I", "-c", COMPILE, str(directory), mount_point, *MODULES],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if result.returncode:
        last = result.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise InfrastructureError(f"failed to compile the pytest guest with {interpreter.executable}: {last[0]}")
