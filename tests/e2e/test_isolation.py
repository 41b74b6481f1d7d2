"""What a program in the default container sees of this machine: only what it is meant to."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.privileges import ORDINARY_UID
from tests.support.programs import PYTEST, RUN, Programs, ordinary_programs, shell_job, write_project

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
OWN_MOUNTS = {"/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/proc", "/run", "/sys", "/tmp"}
DEVICES = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")}


@pytest.fixture(params=["caller", "ordinary"])
def anybody(request: pytest.FixtureRequest, programs: Programs) -> Iterator[Programs]:
    """Run programs as whoever runs the tests, and as an ordinary user, whose files are not below a closed directory."""
    if request.param == "caller":
        yield programs
        return
    with ordinary_programs("ordinary-home-") as ordinary:
        yield ordinary


@pytest.fixture
def directory(anybody: Programs) -> Path:
    """Return a project's directory that whoever runs the program may read."""
    path = Path(tempfile.mkdtemp(dir=anybody.home, prefix="project-"))
    path.chmod(0o755)
    return path


def status(text: str) -> dict[str, str]:
    """Return the fields of /proc/self/status."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def sealed(programs: Programs, directory: Path, script: str) -> str:
    return programs.run(RUN, "--", "sh", "-c", script, cwd=directory).check(0).out


def test_ex20_open_descriptors(anybody: Programs, directory: Path):
    """Standard input, output, error, the result channel; and the listing itself."""
    lines = sealed(anybody, directory, "ls -l /proc/self/fd").splitlines()
    found = {int(words[-3]): words[-1] for words in (line.split() for line in lines) if "->" in words}
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert all(found[number].startswith("pipe:") for number in (1, 2, 3))
    assert found[4].startswith("/proc/")


def test_ex20_open_descriptors_of_a_test(anybody: Programs, directory: Path):
    """The channel is out of the way, the rest is pytest's own; and a test's children inherit nothing."""
    text = """
import os, subprocess
def test_descriptors():
    names = [name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")]
    links = {int(name): os.readlink(f"/proc/self/fd/{name}") for name in names}
    assert links.pop(200).startswith("pipe:")
    assert set(links.values()) == {"/dev/null", links[1], links[2]}
    command = ["sh", "-c", "ls /proc/self/fd"]
    assert subprocess.run(command, capture_output=True, text=True, close_fds=False).stdout.split() == list("0123")
"""
    done = anybody.run(PYTEST, "--", "-s", cwd=write_project(directory, {"test_a.py": text}))
    done.check(0)
    assert "test_descriptors" in done.out


def test_no_process_of_the_host(anybody: Programs, directory: Path):
    found = [name for name in sealed(anybody, directory, "ls /proc").split() if name.isdecimal()]
    assert found == ["1", "2"]


def test_no_mount_of_the_host(anybody: Programs, directory: Path):
    """EX54: what comes from the host is read-only, or below a writable layer that is thrown away."""
    lines = [line.split() for line in sealed(anybody, directory, "cat /proc/self/mounts").splitlines()]
    roots = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", str(directory)}
    # where root is the caller, parts of /proc and /sys are mounts of their own: docs/decisions/real-root.md
    points = {words[1] for words in lines if not words[1].startswith(("/proc/", "/sys/"))}
    assert points <= OWN_MOUNTS | DEVICES | roots
    own = [words for words in lines if words[0] == "none"]
    assert {words[1] for words in own} >= OWN_MOUNTS
    assert all({"ro", "nosuid"} <= set(words[3].split(",")) for words in lines if words[0] != "none")
    assert {words[2] for words in own} <= {"overlay", "tmpfs", "proc", "sysfs", "devpts", "mqueue"}


def test_no_network_of_the_host(anybody: Programs, directory: Path):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        name = f"\0e2e-{os.getpid()}"
        abstract.bind(name)
        abstract.listen()
        text = f"""
import socket, pytest
def test_interfaces():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
def test_loopback_is_another():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", {server.getsockname()[1]}))
def test_abstract_sockets_are_others():
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect({name!r})
def test_loopback_works():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
"""
        done = anybody.run(PYTEST, cwd=write_project(directory, {"test_a.py": text})).check(0)
    assert "Successful Tests: 4" in done.out


def test_no_shared_memory_of_the_host(anybody: Programs, directory: Path):
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="e2e-"):
        script = "ls -A /dev/shm /tmp /run; cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg"
        lines = sealed(anybody, directory, script).splitlines()
    listed = [line for line in lines if line and not line.endswith(":") and "key" not in line]
    assert listed in ([], [directory.relative_to("/tmp").parts[0]])  # the way to the project


def test_no_rights(anybody: Programs, directory: Path):
    fields = status(sealed(anybody, directory, "cat /proc/self/status"))
    uid = ORDINARY_UID if anybody.prefix else os.getuid()
    assert fields["Uid"].split() == [str(uid)] * 4
    assert fields["NoNewPrivs"] == "1"
    if uid != 0:
        assert {int(fields[name], 16) for name in CAPABILITY_SETS} == {0}


def test_ex19_another_user_has_no_capabilities(anybody: Programs, directory: Path):
    done = anybody.jobs(shell_job("cat /proc/self/status", user=43, group=100), cwd=directory).check(0)
    fields = status(done.out)
    assert (fields["Uid"].split()[0], fields["Gid"].split()[0]) == ("43", "100")
    assert {int(fields[name], 16) for name in CAPABILITY_SETS} == {0}
    assert fields["NoNewPrivs"] == "1"


def test_ex18_uid_0_has_capabilities_in_its_namespace_only(anybody: Programs, directory: Path):
    script = "grep -e CapEff -e NoNewPrivs /proc/self/status; hostname new && hostname; mount -t tmpfs none /tmp; id -u"
    done = anybody.jobs(shell_job(script, user=0, group=0), cwd=directory).check(0)
    assert "CapEff:\t0000000000000000" not in done.out
    assert "NoNewPrivs:\t1" in done.out
    assert socket.gethostname() != "new"
    assert done.out.endswith("\n0\n")


def test_nothing_of_the_home_and_no_secrets(anybody: Programs, directory: Path):
    (anybody.home / "secret").write_text("x")
    script = f"cat {anybody.home}/secret /etc/shadow /root/.bashrc 2>/dev/null; ls -A / {anybody.home}"
    listed = sealed(anybody, directory, script)
    assert "secret" not in listed
    assert not {"home", "work", "srv", "boot"} & set(listed.split())


def test_the_host_does_not_change(anybody: Programs, directory: Path):
    """EX22: whatever can be written is gone afterwards, and what cannot be stays as it is."""
    places = f"/usr/e2e-left /etc/e2e-left /var/tmp/e2e-left /tmp/e2e-left /dev/shm/e2e-left {directory}/e2e-left"
    script = f"for place in {places}; do echo x > $place; done 2>/dev/null; ls {directory}"
    assert sealed(anybody, directory, script) in ("e2e-left\n", "")
    assert [place for place in places.split() if os.path.lexists(place)] == []
    assert sealed(anybody, directory, "ls /tmp/e2e-left 2>&1 || true").startswith("ls: ")


def test_a_project_that_tests_namespaces_says_so(programs: Programs, tmp_path: Path):
    test = "import ctypes\ndef test_it(): assert ctypes.CDLL(None).unshare(0x10000000) == 0\n"
    project = write_project(tmp_path / "project", {"test_namespaces.py": test})
    programs.run(PYTEST, cwd=project).check(1)
    programs.run(PYTEST, "--no-seccomp", cwd=project).check(0)
