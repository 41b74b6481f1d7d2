"""maelstrom-admin as a user types it, against a real broker with a client and a worker that tests play."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyte
import pytest

from maelstrom_core import messages as m
from maelstrom_core.wire import Closed, Greeted, Received
from tests.support.broker import Peer, Running, running
from tests.support.programs import Done, Programs, Terminal, eventually

ADMIN = "maelstrom_admin"


class Cluster:
    """A broker with one client, whose three jobs are at one worker of one slot, in the queue, or done."""

    def __init__(self, broker: Running, client: Peer, worker: Peer, programs: Programs, project: Path) -> None:
        self.broker, self.client, self.worker = broker, client, worker
        self.programs, self.project = programs, project
        assert isinstance(client.next(), Greeted)
        assert isinstance(worker.next(), Greeted)
        for sequence in range(4):
            client.say(m.Submit(sequence), b"job")
        for number in range(2):
            run = worker.next()
            assert isinstance(run, Received)
            assert isinstance(run.message, m.Run)
            if number == 0:
                worker.say(m.Started(run.message.attempt))

    @property
    def options(self) -> tuple[str, ...]:
        return ("--broker", f"127.0.0.1:{self.broker.port}", "--credentials", str(self.broker.credentials_file))

    def admin(self, command: str, *arguments: str) -> Done:
        if self.broker.process.poll() is None:
            for peer in (self.client, self.worker):
                peer.say(m.Heartbeat())
        return self.programs.run(ADMIN, command, *self.options, *arguments, cwd=self.project)

    def told(self, command: str, *arguments: str) -> object:
        return json.loads(self.admin(command, "--json", *arguments).check(0).out)


@pytest.fixture
def cluster(tmp_path: Path, programs: Programs, project: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        broker = stack.enter_context(running(tmp_path / "credentials.toml"))
        client = stack.enter_context(broker.client("someone-secret"))
        worker = stack.enter_context(broker.worker(slots=1, name="anvil"))
        yield Cluster(broker, client, worker, programs, project)


def test_who_looks_sees_workers_clients_and_jobs(cluster: Cluster) -> None:
    status = cluster.admin("status").check(0)
    assert "slots 1 of 1 in use" in status.out
    assert "2 queued, 2 at workers" in status.out
    assert "anvil" in status.out
    assert "someone-" in status.out
    assert "secret" not in status.out
    assert cluster.told("status")["workers"][0]["name"] == "anvil"  # type: ignore[index]
    jobs = cluster.admin("jobs").check(0).out
    assert [line.split()[1] for line in jobs.splitlines() if "/" in line] == ["running", "waits", "queued", "queued"]
    assert len(cluster.told("jobs", "--limit", "1")["jobs"]) == 1  # type: ignore[index]
    assert [job["state"] for job in cluster.told("jobs", "--state", "queued")["jobs"]] == ["queued"] * 2  # type: ignore[index]


def test_an_admin_cancels_drains_and_stops(cluster: Cluster) -> None:
    first, *others = (job["client"] for job in cluster.told("jobs")["jobs"])  # type: ignore[index]
    assert set(others) == {first}
    assert cluster.admin("cancel", f"{first}/3").check(0).out == "1 job cancelled\n"
    assert cluster.client.next() == Received(m.Cancelled(3, "cancelled by an admin"))
    assert cluster.admin("cancel", f"{first}/3").check(1).out == "0 jobs cancelled\n"
    assert cluster.told("cancel", "--client", str(first)) == {"jobs": 3}
    assert cluster.admin("drain", "hammer").check(1).out == "0 workers draining\n"
    assert cluster.admin("drain", "anvil").check(0).out == "1 worker draining\n"
    assert "draining" in cluster.admin("status").check(0).out
    assert cluster.admin("stop").check(0).out == "1 broker stopped\n"
    assert cluster.broker.process.wait(60) == 0
    while not isinstance(event := cluster.client.next(), Closed):
        pass
    assert event == Closed("the broker stops")


def test_who_may_not_or_asks_for_nothing_is_told_so(cluster: Cluster, tmp_path: Path) -> None:
    looks_only = tmp_path / "looks-only.toml"
    looks_only.write_text(f'monitor = "{cluster.broker.credentials.monitor}"\n')
    looks_only.chmod(0o600)
    cluster.admin("status", "--credentials", str(looks_only)).check(0)
    assert "no token for the role `admin`" in cluster.admin("stop", "--credentials", str(looks_only)).check(2).err
    looks_only.write_text(f'admin = "{"wrong" * 8}"\n')
    assert "refused us: the token is wrong" in cluster.admin("stop", "--credentials", str(looks_only)).check(2).err
    assert "`7` is not a job" in cluster.admin("cancel", "7").check(2).single_message
    assert "no job is given" in cluster.admin("cancel").check(2).single_message
    assert "say which workers" in cluster.admin("drain").check(2).single_message
    nobody = cluster.programs.run(ADMIN, "status", "--credentials", str(looks_only), cwd=cluster.project)
    assert "there is no broker to ask" in nobody.check(2).single_message
    away = cluster.admin("status", "--broker", "127.0.0.1:1").check(3).single_message
    assert "failed to connect to the broker at 127.0.0.1:1" in away


def test_top_is_seen_to_move_and_leaves_the_terminal_as_it_was(cluster: Cluster) -> None:
    with Terminal(
        cluster.programs, ADMIN, "top", "--every", "0.1", *cluster.options, cwd=cluster.project, size=(110, 40)
    ) as terminal:
        assert eventually(lambda: terminal.read() and "2 queued, 2 at workers" in terminal.text)
        cluster.client.say(m.Submit(99), b"job")
        assert eventually(lambda: terminal.read() and "3 queued, 2 at workers" in terminal.text)
        terminal.type("\x03")
        assert terminal.wait() == 0
        screen = pyte.Screen(110, 40)
        pyte.Stream(screen).feed(terminal.text)
        assert not screen.cursor.hidden
        assert terminal.settings == terminal.before
        assert "Traceback" not in terminal.text
        assert terminal.text.rindex("\x1b[?1049l") > terminal.text.index("\x1b[?1049h")
    lines = cluster.admin("top", "--json", "--count", "2", "--every", "0.1").check(0).out.splitlines()
    assert [json.loads(line)["status"]["queued"] for line in lines] == [3, 3]
