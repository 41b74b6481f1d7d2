"""launch: what a container costs. One /bin/true at a time through a running pool, against the spawn loop in C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample
from ci.bench.programs import spawn_microseconds

COUNT = 500


@contextmanager
def ours() -> Iterator[Sample]:
    """Yield microseconds per job from submit to outcome, one slot."""
    from ci.bench import jobs

    spec = jobs.job()
    with jobs.running_client(slots=1) as (runner, client):
        yield lambda: runner.run(jobs.one_after_another(client, spec, COUNT)) * 1e6 / COUNT


BENCH = Bench(
    name="launch",
    what="one job through a running pool, to its outcome; posix_spawn and wait in C",
    unit="us",
    better="less",
    reach=1.6,
    ours=ours,
    reference=lambda: spawn_microseconds(COUNT),
)
