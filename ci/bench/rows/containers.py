"""writable, loopback: what a root that can be written to costs, and a loopback network, against the launch without.

Both sides run one job at a time through the same pool member.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample, paired

COUNT = 500


@contextmanager
def both(*, writable: bool = False, loopback: bool = False) -> Iterator[tuple[Sample, Sample]]:
    """Yield microseconds per job, of the container that differs and of the usual one."""
    from ci.bench import jobs

    ours, usual = jobs.job(writable=writable, loopback=loopback), jobs.job()
    with jobs.running_client(slots=1) as (runner, client):
        yield (
            lambda: runner.run(jobs.one_after_another(client, ours, COUNT)) * 1e6 / COUNT,
            lambda: runner.run(jobs.one_after_another(client, usual, COUNT)) * 1e6 / COUNT,
        )


def row(name: str, what: str, reach: float, *, writable: bool = False, loopback: bool = False) -> Bench:
    """Return the comparison of a container that differs with the usual one."""
    ours, reference = paired(lambda: both(writable=writable, loopback=loopback))
    return Bench(name=name, what=what, unit="us", better="less", reach=reach, ours=ours, reference=reference)


WRITABLE = row("writable", "launch with a writable root; launch", 1.25, writable=True)
LOOPBACK = row("loopback", "launch with a loopback network; launch", 1.3, loopback=True)
