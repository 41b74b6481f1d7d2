"""throughput: jobs per second with as many slots as cores, against one spawn loop in C per core.

Ours prints and collects 100 bytes for each job; the reference does not even do that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample
from ci.bench.programs import spawns_per_second

COUNT = 1000
LINE = "x" * 99  # and a newline: 100 bytes


@contextmanager
def ours() -> Iterator[Sample]:
    """Yield jobs per second, all submitted at once."""
    from ci.bench import jobs

    spec = jobs.job("/bin/echo", LINE)
    with jobs.running_client(slots=jobs.cores()) as (runner, client):
        yield lambda: COUNT / runner.run(jobs.all_at_once(client, spec, COUNT))


@contextmanager
def reference() -> Iterator[Sample]:
    """Yield spawns per second, one loop per core."""
    from ci.bench import jobs

    with spawns_per_second(COUNT // jobs.cores(), jobs.cores()) as sample:
        yield sample


BENCH = Bench(
    name="throughput",
    what="jobs per second, as many slots as cores, 100 bytes of output each; spawn loops in C, one per core",
    unit="jobs/s",
    better="more",
    reach=0.55,
    ours=ours,
    reference=reference,
)
