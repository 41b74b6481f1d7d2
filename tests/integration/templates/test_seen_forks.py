"""What a worker tells of jobs that are forked from a template: their own processes, and no others."""

from __future__ import annotations

from pathlib import Path

from tests.integration.templates.conftest import MakeJob
from tests.support.programs import descendants
from tests.support.stats import Worker, cpu_of, memory_of, with_worker


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_forks_are_told_of_with_what_the_kernel_says_of_their_processes(
    tmp_path: Path, forked: MakeJob, deed: MakeJob
) -> None:
    async def body(worker: Worker) -> None:
        for _ in range(2):  # its process is kept for the next job of the same kind, at the same pool member
            worker.supervisor.start(deed("tmp"), worker.outcomes.append)
        await worker.until(lambda _stats: len(worker.outcomes) == 2)
        worker.supervisor.start(forked("sleep 4321 & while :; do :; done"), worker.outcomes.append)
        stats = await worker.until(lambda stats: stats["used"] and stats["jobs"][0]["cpu"] > 0.2)
        (job,) = stats["jobs"]
        assert job["program"] == "fork of /template/program"
        assert job["processes"] == 1 + len(descendants(job["pid"]))
        assert any("4321" in told for told in map(command_line, descendants(job["pid"])))
        assert abs(job["memory"] - memory_of(job["pid"])) < 1 << 20
        kernel = cpu_of(job["pid"])
        after = await worker.until(lambda later: later["time"] > stats["time"])
        assert job["cpu"] <= kernel + 0.1
        assert kernel <= after["jobs"][0]["cpu"] + 0.1

    with_worker(tmp_path, body, slots=1)
