"""The tests that `make vm` runs: one or a few for each thing that kernels do differently, and quick in an emulator."""

from __future__ import annotations

SMOKE = ("tests/integration/container/test_execution.py",)
