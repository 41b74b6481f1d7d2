"""Where a client's jobs run, seen from the client: an interface, which `Supervisor` has, and `cluster.Cluster`."""

from __future__ import annotations

from typing import Protocol

from maelstrom_core.job import Job
from maelstrom_core.spec import Network, Seccomp
from maelstrom_worker.job_queue import JobId
from maelstrom_worker.supervisor import OnStart, Report


class Backend(Protocol):
    """Runs jobs whose layers are on this machine; see `Supervisor`."""

    def expect(self, network: Network, seccomp: Seccomp) -> None:
        """Get ready for a job whose container has these."""

    def close(self) -> None:
        """Stop what runs, and answer everybody."""

    def new_id(self) -> JobId:
        """Return what a job may be called."""

    def start(
        self,
        job: Job,
        report: Report,
        on_start: OnStart | None = None,
        identity: JobId | None = None,
        *,
        descriptor: int = -1,
    ) -> JobId:
        """Run a job; `report` is called once, with its outcome, and `on_start` before, when a slot takes the job."""

    def cancel(self, identity: JobId) -> None:
        """Stop a job: its outcome will be `Cancelled`, unless it has one already."""

    def is_running(self, identity: JobId) -> bool:
        """Tell whether a slot has taken a job that has no outcome yet."""
