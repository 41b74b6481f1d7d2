"""Whatever happens to hosts of a cluster, each job is told of once, rightly; `python -m tests.cluster` does more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import machine
from tests.cluster.__main__ import SKIPPED
from tests.support.programs import IMPORT_ROOTS, PATIENCE, ROOT, alive, descendants, eventually

PYTHON = os.pathsep.join((*IMPORT_ROOTS, str(ROOT)))


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "tests.cluster", *options]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    missing = machine.what_is_missing()
    if missing is not None:
        pytest.skip(missing)
    return os.environ | {"PYTHONPATH": PYTHON}


@pytest.mark.parametrize("options", [(), ("--plain",)])
def test_each_job_is_told_of_once_whatever_happens(options: tuple[str, ...], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command("--kills", "8", "--workers", "2", "--seed", "7", "--no-outages", *options),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != SKIPPED, "looked at before"
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_left_of_a_cluster_whose_test_is_killed(environment: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen(
        command("--kills", "1000", "--workers", "1"), cwd=ROOT, env=environment, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline()  # the first deed
        process.send_signal(signal.SIGSTOP)  # or there would be more while we look
        below = descendants(process.pid)
        assert len(below) > 3
        process.kill()
        process.wait(PATIENCE)
        assert eventually(lambda: not any(map(alive, below)))
