"""Go as it is on this machine, for tests that need it: they are skipped where there is none, or one that is too old."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess

import pytest

OLDEST = 21


def _found() -> str | None:
    path = shutil.which("go")
    if path is None:
        return None
    said = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"go1\.(\d+)", said)
    return path if version is None or int(version[1]) >= OLDEST else None


GO = _found()
needs_go = pytest.mark.skipif(GO is None, reason="there is no go of 1.21 or later in PATH")


@functools.cache
def go_variables() -> dict[str, str]:
    """Return the variables with which go finds what it has compiled before, whatever HOME is, and asks no network."""
    assert GO is not None
    cache = subprocess.run([GO, "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    return {"GOCACHE": cache, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOWORK": ""}
