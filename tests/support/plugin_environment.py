"""A virtual environment with well-known plugins of pytest, made once for all test processes of a session.

Maelstrom and what it needs come from the environment that runs the tests: a line in a .pth file adds that behind the
environment's own packages.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PLUGINS = (
    *("pytest", "pytest-cov", "pytest-html", "pytest-rerunfailures", "pytest-sugar", "pytest-randomly"),
    *("pytest-timeout", "pytest-asyncio", "hypothesis", "pytest-xdist"),
    *("anyio", "pyyaml"),
)
DOWNLOAD_TIME = 200
"""Seconds after which an index counts as one that cannot be reached."""


def plugin_python(base: Path) -> Path:
    """Return the interpreter of the environment, which lies in `base`; skip the test where pip cannot fill it."""
    directory = base / "plugins"
    python, reason = directory / "bin" / "python", base / "plugins.reason"
    with (base / "plugins.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes wait for the first
        if not python.exists() and not reason.exists():
            problem = _make(directory)
            if problem is not None:
                reason.write_text(problem)
    if reason.exists():
        pytest.skip(f"pip cannot install plugins of pytest here: {reason.read_text()}")
    return python


def _make(directory: Path) -> str | None:
    """Make the environment; return what is in the way."""
    fresh = directory.with_name("plugins.new")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(fresh)], check=True)
    command = [sys.executable, "-m", "pip", "--python", str(fresh / "bin" / "python"), "install", "--quiet"]
    try:
        done = subprocess.run(
            [*command, "--no-compile", "--disable-pip-version-check", "--retries", "1", *PLUGINS],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIME,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"nothing came for {DOWNLOAD_TIME} seconds"
    if done.returncode:
        return (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
    packages = next((fresh / "lib").glob("python*")) / "site-packages"
    ours = sysconfig.get_path("purelib")
    (packages / "maelstrom-tests.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    fresh.rename(directory)
    return None
