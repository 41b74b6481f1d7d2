"""What a job costs beyond what its program does, in system calls: they can be counted where no time can be trusted."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.programs import HOST, USUAL_MOUNTS, Programs

TRUE = "/bin/true"
FEW, MANY = 10, 60
ALLOWED = 75
"""As root it is 60, of which 15 protect what the machine's root may write to: other machines have more of that."""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def strace(summary: Path) -> tuple[str, ...]:
    return ("strace", "-c", "-f", "-qq", "-o", str(summary))


def counted(summary: Path) -> int:
    """Return the number of calls; a row has % time, seconds, usecs/call, calls, perhaps errors, and a name."""
    rows = [line.split() for line in summary.read_text().splitlines()]
    return sum(int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total")


def test_a_job_takes_few_system_calls_besides_those_of_its_program(programs: Programs, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    traced = subprocess.run([*strace(summary), TRUE], capture_output=True, check=False)
    if traced.returncode != 0:
        pytest.skip(f"nothing can be traced here: {traced.stderr.decode(errors='replace')}")
    native = counted(summary)

    job = {"layers": [HOST], "mounts": USUAL_MOUNTS, "network": "disabled", "program": TRUE}
    counts = []
    for number in (FEW, MANY):
        command = replace(programs, prefix=strace(summary))
        command.jobs(*[job] * number, cwd=tmp_path, options=("--slots", "1")).check(0)
        counts.append(counted(summary))
    assert (counts[1] - counts[0]) / (MANY - FEW) - native <= ALLOWED
