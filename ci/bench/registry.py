"""All benchmarks by name, in the order in which they are run. Add a row here and a module in `rows`."""

from __future__ import annotations

from ci.bench.measure import Bench
from ci.bench.rows import (
    artifacts,
    broker,
    cargo,
    cluster,
    collect,
    containers,
    display,
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
        go.MANY_AUTO,
        cargo.NEXTEST,
        cargo.CARGO_TEST,
        cargo.CARGO_AUTO,
        monorepo.FIRST,
        monorepo.AGAIN,
        monorepo.MEMORY,
        display.REPAINTS,
        display.INTERRUPT,
        layers.FIRST,
        layers.REBUILD,
        artifacts.BENCH,
        *broker.BENCHES,
        cluster.BENCH,
        idle.WAKE_UPS,
        idle.MEMORY,
    )
}

GROUPS = {
    "launch-peers": tuple(bench.name for bench in peers.BENCHES),
    "broker": tuple(bench.name for bench in broker.BENCHES),
}
"""Names for several benchmarks that belong together."""
