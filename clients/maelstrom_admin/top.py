"""A view of a broker that is made anew over and over: on a terminal in place, else one below the other."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from maelstrom_admin.session import Session
from maelstrom_admin.tables import console, jobs_view, status_view
from maelstrom_core import messages as m

OTHERS = 14
"""Lines of a screen that are no rows of tables."""
PARTS = 3


def show(session: Session, *, every: float, count: int | None, limit: int) -> int:
    """Show it on the terminal, whose contents come back at the end; ^C is how it ends."""
    screen = Console(highlight=False)
    try:
        with Live(console=screen, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            for status, jobs in _looks(session, every, count, limit):
                rows = max(1, (screen.size.height - OTHERS) // PARTS)
                live.update(_view(session, status, m.Jobs(jobs.total, jobs.jobs[:rows]), rows), refresh=True)
    except KeyboardInterrupt:
        pass
    return 0


def write(
    session: Session, write_json: Callable[[object], None] | None, *, every: float, count: int | None, limit: int
) -> int:
    """Write it, as tables or as JSON."""
    out = console()
    for status, jobs in _looks(session, every, count, limit):
        if write_json is not None:
            write_json({"status": status, "jobs": jobs})
        else:
            out.print(_view(session, status, jobs, None))
    return 0


def _looks(session: Session, every: float, count: int | None, limit: int) -> Iterator[tuple[m.Status, m.Jobs]]:
    for number in itertools.count(1):
        yield session.status(), session.jobs(limit)
        if number == count:
            return
        time.sleep(every)


def _view(session: Session, status: m.Status, jobs: m.Jobs, rows: int | None) -> RenderableType:
    head = Text(f"broker at {session.endpoint}, {time.strftime('%H:%M:%S')}", style="bold")
    return Group(head, status_view(status, rows), jobs_view(jobs))
