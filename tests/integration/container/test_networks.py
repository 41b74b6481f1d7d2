"""The loopback network that jobs of one member share, one after the other: used again only when it is clean."""

from __future__ import annotations

import subprocess
import sys

import pytest

from maelstrom_core.job import Exited, Outcome
from maelstrom_core.spec import Network, ProcMount
from tests.support.pool import Pool, container, python, shell

MEMBER = """
import os, socket
from maelstrom_container.networks import Networks
from maelstrom_container.outer import enter_namespaces
from maelstrom_core.spec import Network

enter_namespaces()
networks = Networks()

def enter(network):
    networks.enter(network)
    return os.stat("/proc/self/ns/net").st_ino

first = enter(Network.LOOPBACK)
disabled = enter(Network.DISABLED)
assert disabled != first
assert [enter(Network.LOOPBACK), enter(Network.LOOPBACK), enter(Network.DISABLED)] == [first, first, disabled]
assert enter(Network.LOOPBACK) == first
descriptors = len(os.listdir("/proc/self/fd"))
left = {}
if {while_there}:
    enter(Network.DISABLED)
second = enter(Network.LOOPBACK)
assert second not in (first, disabled)
assert enter(Network.DISABLED) == disabled
del left
assert enter(Network.LOOPBACK) == second
assert len(os.listdir("/proc/self/fd")) <= descriptors
"""

LEFT = {
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "unix": "socket.socketpair()",
    "tcp": "socket.create_server(('127.0.0.1', 0))",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
}


def printed(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome
    return outcome.effects.stdout.data.decode()


@pytest.mark.parametrize("kind", LEFT)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["at once", "after another network"])
def test_a_network_in_which_a_socket_is_left_is_not_used_again(kind: str, elsewhere: bool) -> None:
    # a member is single-threaded and has not much in it: so the test is a program of its own
    script = MEMBER.replace("left = {}", f"left = {LEFT[kind]}").replace("{while_there}", str(elsewhere))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_equal_jobs_that_leave_nothing_share_a_network() -> None:
    pool = Pool(slots=1)
    try:
        job = shell(
            "readlink /proc/self/ns/net", within=container(mounts=(ProcMount("/proc"),), network=Network.LOOPBACK)
        )
        assert len({printed(pool.run(job)) for _ in range(5)}) == 1
    finally:
        pool.close()


def test_loopback_jobs_on_one_slot_bind_the_same_port_one_after_another() -> None:
    script = """
import socket, threading
s = socket.create_server(("127.0.0.1", 4711))
t = threading.Thread(target=lambda: s.accept()[0].sendall(b"x"))
t.start()
c = socket.create_connection(("127.0.0.1", 4711))
print(c.recv(1).decode())
"""
    pool = Pool(slots=1)
    try:
        within = container(network=Network.LOOPBACK)
        assert [printed(pool.run(python(script, within=within))) for _ in range(5)] == ["x\n"] * 5
    finally:
        pool.close()
