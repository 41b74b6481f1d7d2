"""Go as it is on this machine, for tests that need it: they are skipped where there is none."""

from __future__ import annotations

import functools
import shutil
import subprocess

import pytest

GO = shutil.which("go")
needs_go = pytest.mark.skipif(GO is None, reason="go is not in PATH")


@functools.cache
def go_variables() -> dict[str, str]:
    """Return the variables with which go finds what it has compiled before, whatever HOME is, and asks no network."""
    assert GO is not None
    cache = subprocess.run([GO, "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    return {"GOCACHE": cache, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOWORK": ""}
