"""original: a stream of jobs as JSON through maelstrom-run, start of the program included, against one spawn loop.

The figure by which the program that gave us the idea can be compared: it reaches 0.21 with two slots, 0.26 with four.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample
from ci.bench.programs import maelstrom_run, run, spawns_per_second

COUNT = 2000


@contextmanager
def ours(slots: int) -> Iterator[Sample]:
    """Yield jobs per second of the whole command."""
    from ci.bench import jobs

    stream = jobs.as_json(jobs.job()) * COUNT
    command = maelstrom_run("--slots", str(slots))

    def sample() -> float:
        start = time.perf_counter()
        run(command, stream)
        return COUNT / (time.perf_counter() - start)

    yield sample


TWO_SLOTS = Bench(
    name="original",
    what="jobs per second of a JSON stream through maelstrom-run, 2 slots; one spawn loop in C",
    unit="jobs/s",
    better="more",
    reach=0.85,
    ours=lambda: ours(2),
    reference=lambda: spawns_per_second(COUNT, 1),
    runs=5,
)

FOUR_SLOTS = Bench(
    name="original-4",
    what="the same with 4 slots",
    unit="jobs/s",
    better="more",
    reach=None,
    ours=lambda: ours(4),
    reference=lambda: spawns_per_second(COUNT, 1),
    runs=5,
)
