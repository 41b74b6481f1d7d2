"""All benchmarks by name, in the order in which they are run. Add a row here and a module in `rows`."""

from __future__ import annotations

from ci.bench.measure import Bench
from ci.bench.rows import (
    artifacts,
    cargo,
    cluster,
    collect,
    containers,
    forks,
    go,
    idle,
    launch,
    layers,
    monorepo,
    one_shot,
    original,
    peers,
    pytest,
    syscalls,
    throughput,
)

BENCHES: dict[str, Bench] = {
    bench.name: bench
    for bench in (
        launch.BENCH,
        *peers.BENCHES,
        containers.WRITABLE,
        containers.LOOPBACK,
        throughput.BENCH,
        original.TWO_SLOTS,
        original.FOUR_SLOTS,
        one_shot.AGAINST_PYTHON,
        one_shot.AGAINST_SPAWN,
        syscalls.BENCH,
        forks.TIME,
        forks.FAULTS,
        forks.SYSCALLS,
        pytest.TEST,
        pytest.AUTO,
        collect.BENCH,
        go.GO,
        go.SUM,
        go.MANY,
        cargo.NEXTEST,
        cargo.CARGO_TEST,
        monorepo.FIRST,
        monorepo.AGAIN,
        monorepo.MEMORY,
        layers.FIRST,
        layers.REBUILD,
        artifacts.BENCH,
        cluster.BENCH,
        idle.WAKE_UPS,
        idle.MEMORY,
    )
}

GROUPS = {"launch-peers": tuple(bench.name for bench in peers.BENCHES)}
"""Names for several benchmarks that belong together."""
