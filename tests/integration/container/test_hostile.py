"""What a hostile job tries first. Run as root the job has root's id on the host, which is the harder case.

Without a seccomp filter: what is refused here is refused by the walls behind it. `escape` tries what is left with one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maelstrom_core.job import Container, Exited, HostTree, Outcome
from maelstrom_core.spec import Device, DevicesMount, Mount, Network, ProcMount, Seccomp, SysMount, TmpMount
from tests.support.pool import Pool, container, python, shell

MOUNTS = (ProcMount("/proc"), SysMount("/sys"), TmpMount("/tmp"), DevicesMount((Device.NULL, Device.ZERO)))


def run(pool: Pool, script: str, **fields: object) -> Exited:
    within = container(mounts=MOUNTS, seccomp=Seccomp.OFF, **fields)
    outcome: Outcome = pool.run(shell(script, within=within))
    assert isinstance(outcome, Exited), outcome
    return outcome


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("writable", [False, True])
def test_no_switch_of_the_kernel_can_be_written(pool: Pool, user: int, writable: bool) -> None:
    """kernel.core_pattern names a program that the host runs: whoever may write it is out."""
    pattern = Path("/proc/sys/kernel/core_pattern")
    before = pattern.read_text()
    script = """
for undo in true "umount -l /proc/sys" "mount -o remount,rw,bind /proc/sys" "mount -t proc none /tmp" \
    "unshare -Urm --propagation private" "unshare -Urmpf mount -t proc none /tmp"; do
    $undo </dev/null
    for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sysrq-trigger \
                /tmp/sys/kernel/core_pattern; do
        [ -e $file ] && dd if=/dev/null of=$file oflag=append conv=notrunc && echo opened $file
    done
done
unshare -Urm sh -c 'umount -l /proc/sys; mount -o remount,rw,bind /proc/sys; : >> /proc/sys/kernel/core_pattern' \
    && echo opened nested
true
"""
    outcome = run(pool, script, user=user, writable=writable)
    assert outcome.effects.stdout.data == b""
    assert pattern.read_text() == before


@pytest.mark.skipif(os.getuid() != 0, reason="the host lets only its own root write there, in whatever namespace")
@pytest.mark.parametrize("mounts", [MOUNTS, (TmpMount("/tmp"),)], ids=["with proc", "without proc"])
@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("writable", [False, True])
def test_no_unprotected_proc_or_sysfs_can_be_mounted(
    pool: Pool, user: int, writable: bool, mounts: tuple[Mount, ...]
) -> None:
    """In a nested user namespace the job may mount; the kernel must see no whole proc that would allow another.

    By system calls: where the job has no proc of its own, unshare(1) gives up while mapping ids.
    """
    script = """
import ctypes, os, sys
NEWNS, NEWUSER, NEWPID, NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
ids = os.getuid(), os.getgid()
assert libc.unshare(NEWUSER | NEWNS | NEWPID | NEWNET) == 0
if os.path.exists("/proc/self"):
    for name, text in ("setgroups", "deny"), ("uid_map", f"{ids[0]} {ids[0]} 1"), ("gid_map", f"{ids[1]} {ids[1]} 1"):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
print("nested", flush=True)
if (child := os.fork()) == 0:
    for kind in (b"proc", b"sysfs"):
        for flags in (0, 1):
            if libc.mount(b"none", b"/tmp", kind, flags, None) == 0:
                libc.mount(b"none", b"/tmp", None, 32 | 4096, None)  # writable again
                print("mounted", kind, "read-only" if os.statvfs("/tmp").f_flag & os.ST_RDONLY else "writable")
                for switch in ("sys/kernel/core_pattern", "sysrq-trigger", "kernel/uevent_helper"):
                    try:
                        os.close(os.open(f"/tmp/{switch}", os.O_WRONLY))
                        print("opened", switch)
                    except OSError:
                        pass
                libc.umount2(b"/tmp", 2)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
    within = container(mounts=mounts, user=user, writable=writable, seccomp=Seccomp.OFF)
    outcome = pool.run(python(script, within=within))
    assert isinstance(outcome, Exited), outcome
    said = outcome.effects.stdout.data.decode().splitlines()
    assert said[0] == "nested"
    assert not [line for line in said if "opened" in line or "writable" in line or "proc" in line]


@pytest.mark.parametrize("user", [0, 1000])
def test_no_cgroup_hierarchy_can_be_mounted(pool: Pool, user: int) -> None:
    """Maelstrom's own cgroup would be in it: whoever writes to cgroup.kill there signals processes of the host."""
    script = """
for enter in "" "unshare -Urm" "unshare -UrmC" "unshare -C" "unshare -Ur unshare -mC"; do
    for kind in "-t cgroup2" "-t cgroup -o none,name=systemd" "-t cgroup -o memory"; do
        $enter mount $kind none /tmp && echo mounted $kind
    done
done
true
"""
    assert run(pool, script, user=user).effects.stdout.data == b""


@pytest.mark.parametrize("writable", [False, True])
def test_sys_cannot_be_made_writable(pool: Pool, writable: bool) -> None:
    script = "mount -o remount,rw,bind /sys || mount -o remount,rw /sys || unshare -n mount -t sysfs none /tmp"
    assert run(pool, script, writable=writable).code != 0


def test_a_host_tree_cannot_be_made_writable(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    trees = (*container().layers, HostTree(str(tmp_path), "/shown"))
    for writable in (False, True):
        within = Container(trees, mounts=MOUNTS, writable=writable, seccomp=Seccomp.OFF)
        script = "mount -o remount,rw,bind /shown; mount -o remount,rw /shown; echo new > /shown/file; true"
        assert isinstance(pool.run(shell(script, within=within)), Exited)
        assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("network", [Network.DISABLED, Network.LOOPBACK])
def test_processes_and_sockets_of_others_are_out_of_sight(pool: Pool, user: int, network: Network) -> None:
    script = """
import os, socket
print(sorted(int(name) for name in os.listdir("/proc") if name.isdigit()))
print([line.split(":")[0].strip() for line in open("/proc/net/dev")][2:])
print(len(open("/proc/net/unix").readlines()) - 1, len(open("/proc/net/tcp").readlines()) - 1)
print(len(open("/proc/sysvipc/shm").readlines()) - 1)
"""
    outcome = pool.run(python(script, within=container(mounts=MOUNTS, user=user, network=network)))
    assert isinstance(outcome, Exited)
    assert outcome.effects.stdout.data.decode().splitlines() == ["[1]", "['lo']", "0 0", "0"]


def test_privileges_of_a_job_that_is_not_root(pool: Pool) -> None:
    fields = dict(
        line.split(":\t")
        for line in run(pool, "cat /proc/self/status", user=1000).effects.stdout.data.decode().splitlines()
    )
    assert {fields[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert fields["SigBlk"] == fields["SigIgn"] == fields["SigCgt"] == "0" * 16


def test_signals_reach_only_the_job_itself(pool: Pool) -> None:
    """kill(-1) as the first process of the namespace hits its children, and nobody outside."""
    before = pool.members()
    run(pool, "kill -9 -1; true")
    run(pool, "sleep 100 & kill -9 -1; kill -9 0; true")
    assert set(before) <= set(pool.members())


def test_device_nodes_cannot_be_made(pool: Pool) -> None:
    script = "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem"
    for user in (0, 1000):
        assert run(pool, script, user=user).code != 0


def test_a_fork_bomb_ends_with_its_job(pool: Pool) -> None:
    script = "import os, time\nfor _ in range(200):\n  os.fork() or time.sleep(1000)\n"
    outcome = pool.run(python(script, within=container(mounts=MOUNTS), timeout=5))
    assert isinstance(outcome, Exited)
    assert isinstance(pool.run(shell("true")), Exited)


def test_what_is_left_in_shared_memory_is_gone_with_the_job(pool: Pool) -> None:
    before = set(os.listdir("/dev/shm"))
    mounts = (*MOUNTS, TmpMount("/dev/shm"))
    assert isinstance(pool.run(shell("echo x > /dev/shm/left", within=container(mounts=mounts))), Exited)
    outcome = pool.run(shell("ls /dev/shm", within=container(mounts=mounts)))
    assert isinstance(outcome, Exited)
    assert outcome.effects.stdout.data == b""
    assert "left" not in set(os.listdir("/dev/shm")) - before


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("writable", [False, True])
def test_what_lies_below_the_root_stays_there(pool: Pool, user: int, writable: bool) -> None:
    script = """
ls -d /scaffold /job /upper
umount -l / ; ls -d /scaffold /job
unshare -Urm sh -c 'umount -l /; umount -l /proc; ls -d /scaffold /proc/1/root/scaffold'
unshare -Urm sh -c 'mount -t tmpfs none /tmp && mkdir /tmp/old && pivot_root /tmp /tmp/old && umount -l /old; echo /*'
nsenter -t 1 -m ls -d /scaffold
chroot /../.. ls -d /scaffold
unshare -Ur sh -c 'cd /; mkdir -p /tmp/a; chroot /tmp/a /bin/true; ls -d ../../../scaffold'
"""
    outcome = run(pool, script, user=user, writable=writable)
    assert b"scaffold" not in outcome.effects.stdout.data
    assert b"/job" not in outcome.effects.stdout.data


@pytest.mark.parametrize("directory", ["scaffold", ".", "..", "proc/../scaffold"])
def test_a_relative_working_directory_starts_at_the_new_root(pool: Pool, directory: str) -> None:
    outcome = pool.run(shell("pwd; ls /", within=container(mounts=MOUNTS), working_directory=directory))
    if isinstance(outcome, Exited):
        assert outcome.effects.stdout.data.startswith(b"/\n")
        assert b"scaffold" not in outcome.effects.stdout.data
    else:
        assert "No such file or directory" in str(outcome)
