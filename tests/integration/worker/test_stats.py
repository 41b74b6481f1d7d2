"""What a worker tells of itself agrees with what the kernel tells, while jobs are busy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from maelstrom_core.config_kinds import Address
from maelstrom_core.errors import ConfigError
from maelstrom_worker.stats_site import StatsSite
from tests.support.pool import shell
from tests.support.programs import descendants
from tests.support.stats import Worker, cpu_of, memory_of, with_worker

BUSY = "sh -c 'while :; do :; done'; exit 3"
"""Two processes, of which one is busy."""


def test_jobs_are_told_of_with_what_the_kernel_says_of_their_processes(tmp_path: Path) -> None:
    async def body(worker: Worker) -> None:
        for _ in range(3):
            worker.supervisor.start(shell(BUSY), worker.outcomes.append)
        stats = await worker.until(lambda stats: sum(job["processes"] == 2 for job in stats["jobs"]) == 2)
        assert (stats["slots"], stats["used"], stats["queued"]) == (2, 2, 1)
        await worker.until(lambda stats: all(job["cpu"] > 0.2 for job in stats["jobs"]))
        for _ in range(3):
            before = await worker.stats()
            kernel = {job["pid"]: cpu_of(job["pid"]) for job in before["jobs"]}
            after = await worker.until(lambda stats, then=before["time"]: stats["time"] > then)
            for first, last in zip(before["jobs"], after["jobs"], strict=True):
                # what was told lies between what is told before and after, and a job uses one processor at most
                assert first["cpu"] <= kernel[first["pid"]] + 0.1
                assert kernel[first["pid"]] <= last["cpu"] + 0.1
                assert first["elapsed"] < last["elapsed"]
                assert abs(first["memory"] - memory_of(first["pid"])) < 1 << 20
                assert first["processes"] == 1 + len(descendants(first["pid"]))
        assert stats["members"]["count"] == 2
        assert stats["processes"]["count"] >= 2 + 2 + 4
        assert stats["cache"] == 12345
        host = stats["host"]
        assert host["processors"] == os.cpu_count()
        assert 0 < host["memory_available"] < host["memory_total"]

    with_worker(tmp_path, body)


def test_what_has_ended_is_counted_and_told_to_prometheus(tmp_path: Path) -> None:
    async def body(worker: Worker) -> None:
        for script in ("exit 0", "exit 3", "exit 0"):
            worker.supervisor.start(shell(script), worker.outcomes.append)
        stats = await worker.until(lambda _stats: len(worker.outcomes) == 3)
        stats = await worker.until(lambda stats: not stats["used"])
        assert stats["ended"] == {"Exited": 3}
        assert stats["jobs"] == []
        families = text_string_to_metric_families((await worker.get("metrics")).decode())
        told = {
            sample.name: sample.value for family in families for sample in family.samples if len(sample.labels) == 0
        }
        assert told["maelstrom_worker_slots"] == 2
        assert told["maelstrom_worker_cache_bytes"] == 12345
        assert await worker.get("healthz") == b"ok\n"

    with_worker(tmp_path, body)


def test_beyond_loopback_it_is_not_served_without_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without TLS"):
        StatsSite(Address("0.0.0.0", 0), lambda: None, tmp_path)  # type: ignore[arg-type,return-value]
