"""Attacks: programs that try to get out of a job, started cold and forked from a template, as root inside and not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maelstrom_client.sealed import SEALED_MOUNTS
from maelstrom_core.job import Exited, Job, Outcome
from maelstrom_core.spec import BindMount, Network, Seccomp
from tests.integration.templates.conftest import MakeJob, folder, forked  # noqa: F401 - fixtures
from tests.support.pool import PATH, Pool, container

ATTACKS = Path(__file__).with_name("attacks")
SHOWN = BindMount("/attacks", str(ATTACKS), read_only=True)

MakeAttack = Callable[..., Job]
Attack = Callable[..., list[str]]


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """A pool of its own: what attacks do to it is not to be seen elsewhere."""
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(params=["cold", "forked"])
def start(request: pytest.FixtureRequest) -> str:
    """How the job is started."""
    return request.param


@pytest.fixture(params=[0, 1000], ids=["root", "user"])
def user(request: pytest.FixtureRequest) -> int:
    """Who the job is, inside."""
    return request.param


@pytest.fixture
def make(start: str, user: int, folder: Path, forked: MakeJob) -> MakeAttack:  # noqa: F811 - the fixtures
    """Return a function that makes a job of a shell command."""

    def make(command: str, *, seccomp: Seccomp = Seccomp.DEFAULT, **more: Any) -> Job:
        fields: dict[str, Any] = {
            "user": user,
            "group": user,
            "seccomp": seccomp,
            "network": Network.LOOPBACK,
            "writable": True,
            "directories": ("/var/tmp",),
        }
        if start == "forked":
            mounts = (*SEALED_MOUNTS, BindMount("/template", str(folder), read_only=True), SHOWN)
            return forked(command, fields={**fields, "mounts": mounts}, **more)
        within = container(mounts=(*SEALED_MOUNTS, SHOWN), **fields)
        return Job(within, "/bin/sh", ("-c", command), environment=(PATH,), **more)

    return make


@pytest.fixture
def attack(pool: Pool, make: MakeAttack, start: str) -> Attack:
    """Return a function that runs an attack and returns what it got away with; the worker must not have noticed."""

    def attack(name: str, *arguments: object, **more: Any) -> list[str]:
        before = pool.members()
        words = " ".join(["exec", "python3", "-B", f"/attacks/{name}.py", *map(str, arguments)])
        lines = lines_of(pool.run(make(words, **more)), start)
        assert set(before) <= set(pool.members())
        assert lines_of(pool.run(make("cat /proc/1/cgroup >/dev/null; echo as before", **more)), start) == ["as before"]
        assert lines[-1:] == ["tried"], lines
        return lines[:-1]

    return attack


def lines_of(outcome: Outcome, start: str) -> list[str]:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome.effects.stderr.data.decode()
    lines = outcome.effects.stdout.data.decode().splitlines()
    # the template in C says what it is first
    return lines[1:] if start == "forked" else lines


@pytest.fixture(params=list(Seccomp), ids=["filter", "no filter"])
def seccomp(request: pytest.FixtureRequest) -> Seccomp:
    """With the filter, and what is behind it."""
    return request.param


@pytest.fixture
def outside() -> tuple[int, ...]:
    """Return processes outside of every job."""
    return (os.getpid(), os.getppid())
