"""Output that exceeds the inline limit, kept in files of pool members and of nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys
from maelstrom_worker.nursery import Nursery

with Nursery.start() as nursery:
    from pathlib import Path
    from maelstrom_core.job import REST_HEAD
    from maelstrom_worker.blocking import BlockingLoop
    from maelstrom_worker.rests import Rests
    from maelstrom_worker.supervisor import Supervisor
    from tests.support.pool import shell

    def run(job):
        told = []
        def report(outcome):
            rest = supervisor.take_rest()
            told.append((outcome.effects, os.pread(rest, 1 << 20, REST_HEAD) if rest >= 0 else None))
            if rest >= 0:
                os.close(rest)
        supervisor.start(job, report)
        while not told:
            loop.run_once()
        return told[0]

    loop = BlockingLoop()
    supervisor = Supervisor(nursery, slots=1, rests=Rests(Path(sys.argv[1]), 1, 4 * 10_000))
    supervisor.open(loop)
    limits = {"inline_limit": 5, "output_limit": 1_000_000}
    for _ in range(2):  # the second time without Python, until the answer
        effects, rest = run(shell("echo 123456789; echo abcdefghi >&2", **limits))
        assert (effects.stdout.data, effects.stderr.data) == (b"12345", b"abcde")
        assert (effects.stdout.lost, effects.rest.stdout, effects.rest.stderr) == (5, 5, 5)
        assert rest == b"6789\\nfghi\\n"
    effects, rest = run(shell("yes | head -c 100000; echo end >&2", **limits))
    assert (effects.stdout.lost, effects.rest.stdout, len(rest)) == (99_995, 10_000, 10_000)
    effects, rest = run(shell("echo 1234", **limits))
    assert (effects.stdout.data, effects.rest, rest) == (b"1234\\n", None, None)
    effects, rest = run(shell("echo 123456789", inline_limit=5, output_limit=7))
    assert (effects.stdout.lost, rest) == (5, b"67")
    open_files = len(os.listdir("/proc/self/fd"))
    run(shell("echo 123456789", **limits))
    assert len(os.listdir("/proc/self/fd")) == open_files
    supervisor.close()
"""


def test_what_exceeds_the_limit_is_in_a_file_of_the_jobs_own(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    folders = [str(root / name) for name in ("core", "container", "worker", "clients", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
