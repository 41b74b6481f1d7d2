"""Hosts: each has a network namespace with an address, a cable to the switch, and a disk of its own size.

To be used within a `machine` only: everything is made in its namespaces, and goes with them. A cable can be unplugged
(both ends see that), be cut (nobody is told), or be slow; a disk can be full.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from pathlib import Path

ROOM = Path("/run/cluster")
"""Where the disks are: in a file system of the machine's own."""
_ATTEMPTS = 50
_AS_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


class Network:
    """A switch, and the hosts that are joined by it.

    With `plain` they have addresses that every program takes for its own machine's (127.77.0.0/24), although they lead
    to other hosts: so a broker listens there without TLS, which it would not elsewhere.
    """

    def __init__(self, *, plain: bool) -> None:
        self.prefix = "127.77.0" if plain else "10.77.0"
        self.plain = plain
        self._numbers = itertools.count(1)
        run("mount", "-t", "tmpfs", "none", "/run")
        ROOM.mkdir()
        run("ip", "link", "add", "switch", "type", "bridge")
        run("ip", "link", "set", "switch", "up")

    def host(self, name: str, *, disk: int, user: bool = False) -> Host:
        """Make a host with a disk of so many bytes; with `user` its programs are an ordinary user's."""
        number = next(self._numbers)
        address = f"{self.prefix}.{number}"
        directory = ROOM / name
        directory.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"mode=755,size={disk}", "none", str(directory))
        run("ip", "netns", "add", name)
        host = Host(name, address, directory, disk, user=user)
        run("ip", "link", "add", host.port, "type", "veth", "peer", "name", "cable", "netns", name)
        run("ip", "link", "set", host.port, "master", "switch", "up")
        host.within("ip", "link", "set", "lo", "up")
        if self.plain:
            host.within("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
            host.within("ip", "address", "del", "127.0.0.1/8", "dev", "lo")
            host.within("ip", "address", "add", "127.0.0.1/32", "dev", "lo")
        host.within("ip", "address", "add", f"{address}/24", "dev", "cable")
        host.within("ip", "link", "set", "cable", "up")
        return host


class Host:
    """One host."""

    def __init__(self, name: str, address: str, directory: Path, disk: int, *, user: bool) -> None:
        self.name = name
        self.address = address
        self.directory = directory
        self.port = f"to-{name}"
        """The switch's end of the cable."""
        self._disk = disk
        self._enter = ("nsenter", f"--net=/run/netns/{name}", "--")
        self.command = (*self._enter, *(_AS_USER if user else ()))
        """To be put in front of a program that is to run there."""

    def within(self, *command: str) -> str:
        """Run a command there, as root; return what it writes."""
        return run(*self._enter, *command)

    # the cable

    def unplug(self) -> None:
        """Take the cable out."""
        run("ip", "link", "set", self.port, "down")

    def plug_in(self) -> None:
        """Put it in again."""
        run("ip", "link", "set", self.port, "up")

    def cut(self) -> None:
        """Let nothing through: neither end is told."""
        run("bridge", "link", "set", "dev", self.port, "state", "0")

    def mend(self) -> None:
        """Let everything through."""
        run("bridge", "link", "set", "dev", self.port, "state", "3")

    def slow_down(self, rate: str) -> None:
        """Let so much through, in both directions, as `4mbit`."""
        queue = ("root", "tbf", "rate", rate, "burst", "16kb", "latency", "200ms")
        run("tc", "qdisc", "add", "dev", self.port, *queue)
        self.within("tc", "qdisc", "add", "dev", "cable", *queue)

    def speed_up(self) -> None:
        """Be as fast as it can again."""
        run("tc", "qdisc", "del", "dev", self.port, "root")
        self.within("tc", "qdisc", "del", "dev", "cable", "root")

    # connections

    def connections(self) -> list[Connection]:
        """Return those that are open."""
        lines = self.within("ss", "--no-header", "--numeric", "--tcp", "state", "established").splitlines()
        return [Connection.of(line) for line in lines]

    def reset(self, connection: Connection) -> None:
        """Break a connection: both sides are told."""
        ends = ("src", connection.near, "dst", connection.far)
        self.within("ss", "--kill", "--no-header", "--numeric", "--tcp", *ends)

    # the disk

    def fill(self) -> None:
        """Let the disk be full: what is there stays, and can be deleted."""
        for _ in range(_ATTEMPTS):
            status = os.statvfs(self.directory)
            used = (status.f_blocks - status.f_bfree) * status.f_frsize
            try:
                self._resize(max(used, status.f_frsize))
            except subprocess.CalledProcessError:  # more was written meanwhile
                time.sleep(0.01)
            else:
                return

    def empty(self) -> None:
        """Let it have room again."""
        self._resize(self._disk)

    def _resize(self, size: int) -> None:
        run("mount", "-o", f"remount,size={size}", "none", str(self.directory))


class Connection:
    """A TCP connection as `ss` shows it: its ends, and the bytes that wait for the other end, or for the program."""

    def __init__(self, near: str, far: str, waiting: int) -> None:
        self.near = near
        self.far = far
        self.waiting = waiting

    @classmethod
    def of(cls, line: str) -> Connection:
        """Return what a line is about."""
        received, sent, near, far = line.split()[:4]
        return cls(near, far, int(received) + int(sent))


def run(*command: str) -> str:
    """Run a command to its end; return what it writes. Raises CalledProcessError, which shows what was wrong."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, [*command, done.stderr.strip()])
    return done.stdout
