"""Cargo for tests of cargo-maelstrom: whether it is there, and what it needs where HOME is another one."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CARGO = "cargo_maelstrom"


def cargo_environment() -> dict[str, str]:
    """Return the variables by which cargo is found as it is outside of tests; skips the test where there is none."""
    wrong = _missing()
    if wrong:
        pytest.skip(wrong)
    return {**_homes(), "CARGO_TERM_COLOR": "never", "RUST_BACKTRACE": "0", "CARGO_NET_OFFLINE": "true"}


def _homes() -> dict[str, str]:
    """Where rustup is, what it has is below the home directory of whoever runs the tests."""
    home = Path(os.environ.get("HOME", "/"))
    homes = {"RUSTUP_HOME": home / ".rustup", "CARGO_HOME": home / ".cargo"}
    found = {name: os.environ.get(name, str(path)) for name, path in homes.items()}
    return found if os.path.isdir(found["RUSTUP_HOME"]) else {}


@functools.cache
def _missing() -> str:
    if shutil.which("cargo") is None or shutil.which("rustc") is None:
        return "there is no cargo here: a package of that name, or rustup, has it"
    version = subprocess.run(["cargo", "--version"], env={**os.environ, **_homes()}, capture_output=True, check=False)
    return "" if version.returncode == 0 else f"cargo does not work here: {version.stderr.decode(errors='replace')}"
