"""A supervisor with the site that tells of it, in this process; and what the kernel says of the same processes."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from maelstrom_core.config_kinds import Address
from maelstrom_core.job import Outcome
from maelstrom_worker.nursery import Nursery
from maelstrom_worker.stats import snapshot
from maelstrom_worker.stats_site import StatsSite
from maelstrom_worker.supervisor import Supervisor
from tests.support.programs import descendants


class Worker:
    """A supervisor with its site."""

    def __init__(self, supervisor: Supervisor, site: StatsSite) -> None:
        self.supervisor, self.site = supervisor, site
        self.outcomes: list[Outcome] = []

    async def get(self, path: str) -> bytes:
        def read() -> bytes:
            with urllib.request.urlopen(f"{self.site.url}{path}", timeout=60) as answer:
                return bytes(answer.read())

        return await asyncio.to_thread(read)

    async def stats(self) -> Any:
        return json.loads(await self.get("stats"))

    async def until(self, truth: Callable[..., object]) -> Any:
        for _ in range(600):
            stats = await self.stats()
            if truth(stats):
                return stats
            await asyncio.sleep(0.1)
        raise AssertionError(stats)


def cpu_of(pid: int) -> float:
    """Seconds of processor time of a process and those below it, as the kernel has them."""
    stats = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in (pid, *descendants(pid))]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> int:
    """Bytes that a process and those below it have resident."""
    pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in (pid, *descendants(pid))]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def with_worker(tmp_path: Path, body: Callable[[Worker], Awaitable[None]], *, slots: int = 2) -> None:
    """Run `body` beside a worker, of whose cache 12,345 bytes are told."""

    async def run(nursery: Nursery) -> None:
        supervisor = Supervisor(nursery, slots=slots)
        try:
            supervisor.open(asyncio.get_running_loop())
            site = StatsSite(Address("127.0.0.1", 0), lambda: snapshot(supervisor, 12345), tmp_path)
            try:
                await body(Worker(supervisor, site))
            finally:
                site.close()
        finally:
            supervisor.close()

    with Nursery.start() as nursery:
        asyncio.run(run(nursery))
