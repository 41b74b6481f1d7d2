"""What a broker tells, as tables for people."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from maelstrom_core import messages as m

PLAIN_WIDTH = 200
"""Columns, where there is no terminal."""
_STATES = {"running": "running", "assigned": "waits there", "queued": "queued", "artifacts": "without artifacts"}


def print_status(status: m.Status) -> None:
    """Print what there is."""
    console().print(status_view(status))


def print_jobs(jobs: m.Jobs) -> None:
    """Print a list of jobs."""
    console().print(jobs_view(jobs))


def console() -> Console:
    """Return where to print: tables are as wide as they are where nobody sees their edges."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def status_view(status: m.Status, most: int | None = None) -> RenderableType:
    """Return counts and tables; of workers and clients so many rows at most."""
    return Group(
        Text(
            f"slots {status.used} of {status.slots} in use; up for {duration(status.seconds)}\n"
            f"jobs  {status.queued} queued, {status.running} at workers, {status.artifacts} without artifacts; "
            f"{status.finished} finished, {status.failed} failed, {status.cancelled} cancelled\n"
            + "".join(f"      {count} queued: {reason}\n" for reason, count in status.lacking)
        ),
        workers_table(status, most),
        clients_table(status, most),
    )


def workers_table(status: m.Status, most: int | None) -> RenderableType:
    """Return the workers."""
    table = _table("worker", "slots>", "in use>", "waiting there>", "done>", "state", "connected>")
    for worker in status.workers[:most]:
        state = "draining" if worker.draining else "working"
        numbers = (str(number) for number in (worker.slots, worker.used, worker.ahead, worker.ended))
        table.add_row(Text(worker.name), *numbers, state, duration(worker.seconds))
    return _with_rest(table, len(status.workers[:most]), status.total_workers, "workers")


def clients_table(status: m.Status, most: int | None) -> RenderableType:
    """Return the clients."""
    table = _table("client>", "name begins", "jobs>", "slots>", "connected>")
    for client in status.connected[:most]:
        row = (str(client.peer), Text(client.name), str(client.jobs), str(client.used), duration(client.seconds))
        table.add_row(*row)
    return _with_rest(table, len(status.connected[:most]), status.clients, "clients")


def jobs_view(jobs: m.Jobs) -> RenderableType:
    """Return jobs."""
    waits = any(job.waits for job in jobs.jobs)
    table = _table(
        "job", "state", "for>", "worker", "slots>", "priority>", "lost>", *(["waits because"] if waits else [])
    )
    for job in jobs.jobs:
        name = f"{job.client}/{job.sequence}"
        numbers = (str(number) for number in (job.slots, job.priority, job.lost))
        reason = [Text(job.waits)] if waits else []
        table.add_row(name, _STATES[job.state], duration(job.seconds), Text(job.worker or "-"), *numbers, *reason)
    return _with_rest(table, len(jobs.jobs), jobs.total, "jobs")


def duration(seconds: float) -> str:
    """Return a time for people."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _table(*columns: str) -> Table:
    """Return a table; `>` behind a name means numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", no_wrap=True)
    return table


def _with_rest(table: Table, shown: int, total: int, what: str) -> RenderableType:
    if not total:
        return Text(f"no {what}\n")
    return Group(table, Text(f"{shown} of {total} {what}\n" if shown < total else ""))
