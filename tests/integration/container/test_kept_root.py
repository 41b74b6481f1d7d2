"""The writable root that jobs of one member share: whatever one of them writes, the next one finds it as new."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from maelstrom_core.job import Exited, Outcome
from maelstrom_core.spec import BindMount, Network, ProcMount, TmpMount
from tests.support.pool import Pool, container, shell

WITHIN = container(
    mounts=(ProcMount("/proc"), TmpMount("/tmp")),
    writable=True,
    network=Network.LOOPBACK,
    directories=("/work",),
    user=os.getuid(),
    group=os.getgid(),
)
ROOTS = "awk '$5 == \"/\" { device = $3 } END { print device }' /proc/self/mountinfo"
"""Which file system is the root: two jobs with the same one share it."""


@pytest.fixture
def member() -> Iterator[Pool]:
    pool = Pool(slots=1)
    yield pool
    pool.close()


def printed(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome
    return outcome.effects.stdout.data.decode().strip()


def roots(member: Pool, count: int) -> list[str]:
    return [printed(member.run(shell(f"{ROOTS}; : {number}", within=WITHIN))) for number in range(count)]


def test_jobs_that_write_nothing_share_a_root(member: Pool) -> None:
    assert len(set(roots(member, 6))) == 1


def test_their_own_file_systems_are_their_own_all_the_same(member: Pool) -> None:
    for _ in range(3):
        assert printed(member.run(shell("ls /tmp; touch /tmp/left; echo none", within=WITHIN))) == "none"
    assert len(set(roots(member, 3))) == 1


@pytest.mark.parametrize(
    ("write", "look", "clean"),
    [
        ("echo x > /left", "ls -d /left 2>/dev/null || echo none", "none"),
        ("echo x > /work/left", "ls /work | wc -l", "0"),
        ("rmdir /work", "ls -d /work", "/work"),
        ("chmod 700 /work", "stat -c %a /work", "755"),
        ("chmod 711 /", "stat -c %a /", "755"),
        ("mkdir /left && rmdir /left && touch -d @5 /", "stat -c %Y / | grep -c '^5$' || true", "0"),
        ("ln -s /tmp /work/link", "ls /work | wc -l", "0"),
    ],
)
def test_what_is_written_is_gone(member: Pool, write: str, look: str, clean: str) -> None:
    looked = shell(look, within=WITHIN)
    roots(member, 2)
    assert printed(member.run(looked)) == clean
    for number in range(7):  # it is made anew some times, and not any more then
        member.run(shell(f"{write}; : {number}", within=WITHIN))
        assert printed(member.run(looked)) == clean


def test_after_some_time_a_root_is_shared_again(member: Pool) -> None:
    for number in range(3):
        member.run(shell(f"touch /left; : {number}", within=WITHIN))
    assert len(set(roots(member, 12)[-3:])) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="the trees of the machine are root's")
def test_what_is_written_to_a_tree_of_the_machine_is_gone(member: Pool) -> None:
    for number in range(3):
        member.run(shell(f"touch /usr/left; echo x >> /etc/passwd; rm /etc/hostname; : {number}", within=WITHIN))
        looked = shell("ls -d /usr/left 2>/dev/null; grep -c '^x$' /etc/passwd || true", within=WITHIN)
        assert printed(member.run(looked)) == "0"


def test_jobs_of_other_containers_in_between_change_nothing(member: Pool) -> None:
    other = container(mounts=(ProcMount("/proc"),))
    looked = shell("ls -d /left 2>/dev/null || echo none", within=WITHIN)
    first = roots(member, 1)
    member.run(shell("true", within=other))
    assert roots(member, 1) == first
    member.run(shell("touch /left", within=WITHIN))
    member.run(shell("true", within=other))
    assert printed(member.run(looked)) == "none"


def test_a_directory_of_the_host_stays_one(member: Pool, tmp_path) -> None:
    within = container(
        mounts=(ProcMount("/proc"), BindMount("/work", str(tmp_path))),
        writable=True,
        user=os.getuid(),
        group=os.getgid(),
    )
    for number in range(3):
        member.run(shell(f"echo {number} >> /work/count", within=within))
    assert (tmp_path / "count").read_text() == "0\n1\n2\n"


def test_nobody_can_take_the_root_away(member: Pool) -> None:
    tries = "umount /; umount -l /; mount -o remount,ro /; mount --bind /tmp /work; true"
    before = roots(member, 1)
    member.run(shell(f"{tries} 2>/dev/null", within=WITHIN))
    assert roots(member, 1) == before
