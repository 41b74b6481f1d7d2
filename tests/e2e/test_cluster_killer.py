"""Whatever is killed, stopped or cut off, each job is told of once; `python -m tests.cluster` does more of it."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.killer import Killer

JOBS = 40


def test_each_job_is_told_of_once_whatever_is_killed(tmp_path: Path) -> None:
    killer = Killer(tmp_path, workers=2, seed=7)
    try:
        told = killer.run(kills=6, jobs=JOBS, seconds=0.3)
    finally:
        killer.close()
    assert killer.deeds
    assert told == dict.fromkeys(range(1, JOBS + 1), 1)
