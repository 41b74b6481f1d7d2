"""What a job is given when its time is up: a signal first."""

from __future__ import annotations

import signal

import pytest

from maelstrom_core.job import Exited, TimedOut
from maelstrom_core.spec import Grace
from tests.support.pool import Pool, shell
from tests.support.programs import PATIENCE


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("trap 'echo told; exit 0' TERM; echo begun; while :; do sleep 0.01; done", b"begun\ntold\n"),
        ("trap 'echo told' TERM; echo begun; while :; do sleep 0.01; done", b"begun\ntold\n"),
        ("echo begun; sleep 1d", b"begun\n"),
    ],
    ids=["ends", "goes on", "does not listen"],
)
def test_a_job_whose_time_is_up_is_told_before_it_is_killed(pool: Pool, script: str, said: bytes) -> None:
    job = shell(script, timeout=1.0, grace=Grace(PATIENCE if "exit" in script else 1.0, signal.SIGTERM))
    outcome = pool.run(job)
    assert isinstance(outcome, TimedOut)
    assert outcome.effects.stdout.data == said
    assert isinstance(pool.run(shell("true")), Exited)
