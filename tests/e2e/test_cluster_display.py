"""What is told of a cluster while something is drawn on the terminal: in lines of their own, and nothing is smeared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_fancy import SLEEPING, seen
from tests.support.cluster import Cluster
from tests.support.programs import PYTEST, RUN, Programs, Terminal, eventually, sleepers, write_project

SIZE = (160, 30)
SLOTS = ("--slots", "4")
"""Enough for all jobs: what is offered to the broker has /usr described first."""
LOST = "lost the connection to the broker at {} (the other side closed the connection); trying again"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        cluster.start_broker()
        yield cluster


def lose_broker(cluster: Cluster, terminal: Terminal) -> None:
    """Kill the broker while something runs here, and wait until that is told."""
    assert cluster.broker is not None
    assert eventually(lambda: terminal.read() and sleepers(terminal.process.pid, "54321"))
    cluster.broker.process.kill()
    assert eventually(lambda: terminal.read() and "trying again" in terminal.text)


@pytest.mark.parametrize("ui", ["fancy", "simple"])
def test_tests_of_pytest(cluster: Cluster, programs: Programs, project: Path, ui: str) -> None:
    write_project(project, {"test_a.py": SLEEPING})
    arguments = (*cluster.options(local=True), *SLOTS, "--ui", ui, "--report", "report.jsonl")
    with Terminal(programs, PYTEST, *arguments, cwd=project, size=SIZE) as terminal:
        lose_broker(cluster, terminal)
        drawn = len(terminal.text)
        assert eventually(lambda: terminal.read() and len(terminal.text) > drawn)  # it goes on below the note
        terminal.type("\x03")
        assert terminal.wait() == 130
        lost = LOST.format(cluster.address)
        rows, screen = seen(terminal.text, *SIZE)
        assert rows.count(f"note: {lost}") == 1
        assert not any("━" in row or "1 running" in row for row in rows)
        assert not screen.cursor.hidden
    events = [json.loads(line) for line in (project / "report.jsonl").read_text().splitlines()]
    assert [event["text"] for event in events if event["event"] == "note"] == [lost]


def test_jobs_of_maelstrom_run_with_a_line_of_progress(cluster: Cluster, programs: Programs, project: Path) -> None:
    arguments = (*cluster.options(local=True), *SLOTS, "--map", "--range", "1..2", "--", "sh", "-c", "sleep 54321")
    with Terminal(programs, RUN, *arguments, cwd=project, size=SIZE) as terminal:
        lose_broker(cluster, terminal)
        drawn = len(terminal.text)
        assert eventually(lambda: terminal.read() and len(terminal.text) > drawn)
        rows, _ = seen(terminal.text, *SIZE)
        told = f"maelstrom-run: {LOST.format(cluster.address)}"
        assert told in rows
        assert [row for row in rows if "running" in row] == [rows[rows.index(told) + 1]]
        terminal.type("\x03")
        assert terminal.wait() == 130
