"""Who gives what jobs of several clients need: another one, where the first that was asked hangs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.cluster import SMALL, Cluster, small_job
from tests.support.programs import PATIENCE, RUN, Programs, stream

SIZE = 48 << 20


def test_what_a_stopped_client_was_asked_for_comes_from_another_one(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    layer = {"paths": [str(large)]}
    job = small_job(f"test -s {large} && echo done", layers=[*SMALL, {"stubs": ["/proc/", "/tmp/"]}, layer])
    with Cluster(tmp_path) as cluster:
        cluster.start_broker()
        coming = tmp_path / "store" / "tmp"
        with cluster.running(job) as first:
            while not any(size > 1 << 20 for size in sizes(coming)):
                assert first.poll() is None
            first.send_signal(signal.SIGSTOP)
            assert SIZE not in sizes(tmp_path / "store" / "artifacts"), "it was too fast to be stopped"
            cluster.start_worker()
            (tmp_path / "second").mkdir()
            second = Programs(tmp_path / "second")
            done = second.run(RUN, *cluster.options(), cwd=tmp_path, stdin=stream(job)).check(0)
            assert (done.out, done.err) == ("done\n", "")
            first.send_signal(signal.SIGCONT)
            assert first.stdout is not None
            assert first.stderr is not None
            assert first.stdout.read() == b"done\n"
            assert first.stderr.read() == b""  # it was not taken for dead: the other one was asked before that
            assert first.wait(PATIENCE) == 0


def sizes(directory: Path) -> list[int]:
    """Return the sizes of files, which come and go."""
    found = []
    for path in directory.iterdir():
        try:
            found.append(path.stat().st_size)
        except OSError:
            continue
    return found
