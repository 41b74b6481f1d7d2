"""The tests that `make vm` runs: one or a few for each thing that kernels do differently, and quick in an emulator."""

from __future__ import annotations

SMOKE = (
    # namespaces, mounts, overlays of trees and tmpfs, signals, accounting
    "tests/integration/container/test_execution.py",
    # prlimit, sizes of tmpfs
    "tests/integration/container/test_limits.py",
    # whiteouts and opaque directories without root
    "tests/integration/container_layers/test_overlay.py",
    "tests/integration/captured/test_capture.py",
    # pidfd, the deaths of processes
    "tests/integration/worker/test_repeat.py",
    # forks, and what memory, files and sockets of them the kernel shows
    "tests/integration/templates/test_forks.py::test_a_fork_sees_what_a_job_sees",
    "tests/integration/templates/test_rewind.py::test_what_a_job_did_is_undone",
    # the programs
    "tests/e2e/test_outer_filter.py",
    "tests/e2e/test_templates.py::test_nothing_leaks_from_test_to_test",
)
SMOKE_OF_TOO_OLD = ("tests/e2e/test_old_kernel.py",)
"""Where containers cannot be made."""
