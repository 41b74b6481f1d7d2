"""What admins may do to a broker; each returns how many workers or jobs it concerned. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maelstrom_broker import overview
from maelstrom_broker.records import Peer

if TYPE_CHECKING:
    from maelstrom_broker.broker import Broker

CANCELLED = "cancelled by an admin"


def drain(broker: Broker, name: str) -> int:
    """Give the workers of a name, or all, no more jobs."""
    workers = broker.scheduler.pool.workers.values()
    meant = [worker for worker in workers if not name or overview.matches(worker, name)]
    for worker in meant:
        broker.scheduler.drain(worker)
    return len(meant)


def cancel(broker: Broker, peer: Peer, sequence: int | None) -> int:
    """Cancel one job of a client, or all; its client is told who did."""
    client = broker.scheduler.clients.get(peer)
    if client is None:
        return 0
    meant = [job for number, job in client.jobs.items() if sequence is None or number == sequence]
    for job in meant:
        broker.scheduler.cancel(job, CANCELLED)
    return len(meant)
