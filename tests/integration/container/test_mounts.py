"""What is mounted in a job, and what is not: behaviours EX25 to EX54."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_core.job import ExecutionError, Exited, LayerDirectory, Outcome
from maelstrom_core.spec import (
    BindMount,
    Device,
    DevicesMount,
    DevptsMount,
    Mount,
    MqueueMount,
    Network,
    ProcMount,
    SysMount,
    TmpMount,
)
from tests.support.pool import Pool, container, python, shell

PROC = ProcMount("/proc")
NUMBERS = {"full": "1:7", "null": "1:3", "random": "1:8", "tty": "5:0", "urandom": "1:9", "zero": "1:5"}


def printed(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome
    return outcome.effects.stdout.data.decode()


def mounts_of(pool: Pool, *mounts: Mount, network: Network = Network.DISABLED) -> dict[str, tuple[str, list[str]]]:
    """Return mount point -> (type, options) as the job sees them."""
    within = container(mounts=(PROC, *mounts), network=network)
    lines = printed(pool.run(shell("cat /proc/self/mounts", within=within))).splitlines()
    fields = [line.split() for line in lines]
    assert all(len({entry[1] for entry in fields}) == len(fields) for _ in fields), "something is mounted twice"
    # for jobs of a real root parts of /proc are read-only mounts of their own: see test_hostile
    return {entry[1]: (entry[2], entry[3].split(",")) for entry in fields if not entry[1].startswith("/proc/")}


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_ex25_to_ex31_a_device_that_was_asked_for_is_there(pool: Pool, name: str) -> None:
    within = container(mounts=(DevicesMount((Device(name),)),))
    script = f"import os; n = os.stat('/dev/{name}').st_rdev; print(f'{{os.major(n)}}:{{os.minor(n)}}')"
    assert printed(pool.run(python(script, within=within))).strip() == NUMBERS[name]


def test_ex26_fuse_is_there_where_the_machine_has_it(pool: Pool) -> None:
    outcome = pool.run(shell("ls -l /dev/fuse", within=container(mounts=(DevicesMount((Device.FUSE,)),))))
    if Path("/dev/fuse").exists():
        assert "10, 229" in printed(outcome)
    else:
        assert "/dev/fuse" in str(outcome)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_ex32_to_ex38_a_device_that_was_not_asked_for_is_the_stub_of_the_layer(
    pool: Pool, tmp_path: Path, name: str
) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / name).touch()
    job = shell(f"stat -c '%F %s' /dev/{name}", within=container(LayerDirectory(str(tmp_path))))
    assert printed(pool.run(job)) == "regular empty file 0\n"


def test_only_devices_that_were_asked_for_are_there(pool: Pool) -> None:
    within = container(mounts=(DevicesMount((Device.NULL,)),))
    assert printed(pool.run(shell("ls /dev", within=within))).split() == ["fd", "null", "stderr", "stdin", "stdout"]


def test_ex39_null_swallows_and_is_empty(pool: Pool) -> None:
    job = shell("echo x > /dev/null && cat /dev/null", within=container(mounts=(DevicesMount((Device.NULL,)),)))
    assert printed(pool.run(job)) == ""


def test_the_host_node_of_a_device_cannot_be_changed(pool: Pool) -> None:
    before = Path("/dev/null").stat().st_mode
    within = container(mounts=(PROC, DevicesMount((Device.NULL,))))
    job = shell("chmod 0 /dev/null; chmod 0 /proc/self/fd/0; rm /dev/null; true", within=within)
    printed(pool.run(job))
    assert Path("/dev/null").stat().st_mode == before


def test_ex40_ex42_ex46_ex49_nothing_is_mounted_that_was_not_asked_for(pool: Pool) -> None:
    kinds = [kind for kind, _ in mounts_of(pool).values()]
    assert "proc" in kinds
    assert not {"sysfs", "devpts", "mqueue", "devtmpfs", "cgroup", "cgroup2"} & set(kinds)
    assert "/tmp" not in mounts_of(pool)


def test_ex41_tmp(pool: Pool) -> None:
    kind, options = mounts_of(pool, TmpMount("/tmp"))["/tmp"]
    assert kind == "tmpfs"
    assert {"rw", "nosuid", "nodev"} <= set(options)


def test_ex43_sys_is_read_only(pool: Pool) -> None:
    kind, options = mounts_of(pool, SysMount("/sys"))["/sys"]
    assert kind == "sysfs"
    assert "ro" in options


def test_sys_with_network_local_is_the_users_error(pool: Pool) -> None:
    outcome = pool.run(shell("true", within=container(mounts=(SysMount("/sys"),), network=Network.LOCAL)))
    assert "network `local`" in str(outcome)


def test_ex44_without_proc_there_is_none(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    assert printed(pool.run(shell("ls -A /proc", within=container(LayerDirectory(str(tmp_path)))))) == ""


def test_ex45_proc(pool: Pool) -> None:
    kind, options = mounts_of(pool)["/proc"]
    assert kind == "proc"
    assert {"rw", "nosuid", "nodev", "noexec"} <= set(options)


def test_ex47_ex48_devpts_with_a_ptmx_for_everybody(pool: Pool) -> None:
    assert mounts_of(pool, DevptsMount("/dev/pts"))["/dev/pts"][0] == "devpts"
    within = container(mounts=(DevptsMount("/dev/pts"),))
    listing = printed(pool.run(shell("ls -l /dev/pts/ptmx", within=within)))
    assert listing.startswith("crw-rw-rw-")
    assert "5, 2" in listing


def test_ex50_mqueue(pool: Pool) -> None:
    assert mounts_of(pool, MqueueMount("/dev/mqueue"))["/dev/mqueue"][0] == "mqueue"


def test_ex51_what_is_written_to_a_bind_mount_reaches_the_host(pool: Pool, tmp_path: Path) -> None:
    within = container(mounts=(BindMount("/mnt", str(tmp_path)),))
    printed(pool.run(shell("echo hello > /mnt/file", within=within)))
    assert (tmp_path / "file").read_text() == "hello\n"


@pytest.mark.parametrize("writable", [False, True])
def test_ex52_a_read_only_bind_mount_cannot_be_written_or_made_writable(
    pool: Pool, tmp_path: Path, writable: bool
) -> None:
    (tmp_path / "file").write_text("old")
    within = container(mounts=(PROC, BindMount("/mnt", str(tmp_path), read_only=True)), writable=writable)
    remounted = pool.run(shell("mount -o remount,rw,bind /mnt || echo new > /mnt/file", within=within))
    assert isinstance(remounted, Exited)
    assert remounted.code != 0
    pool.run(shell("umount /mnt; echo new > /mnt/file", within=within))
    assert (tmp_path / "file").read_text() == "old"


def test_ex54_all_mounts_of_the_host_are_gone(pool: Pool) -> None:
    """The container's own two, and the directories of the machine that the test's container shows."""
    assert sorted(mounts_of(pool)) == sorted(["/", "/proc", *(tree.target for tree in container().layers)])


def test_mounts_are_the_same_for_the_second_job_of_a_container(pool: Pool) -> None:
    mounts = (TmpMount("/tmp"), SysMount("/sys"), DevicesMount((Device.NULL,)))
    assert mounts_of(pool, *mounts) == mounts_of(pool, *mounts)


def test_tmp_is_fresh_and_bounded(pool: Pool) -> None:
    within = container(mounts=(TmpMount("/tmp"),))
    assert printed(pool.run(shell("touch /tmp/x; ls /tmp", within=within))) == "x\n"
    assert printed(pool.run(shell("ls /tmp", within=within))) == ""
    size = printed(pool.run(shell("stat -f -c '%b %S' /tmp", within=within))).split()
    assert 0 < int(size[0]) * int(size[1]) < 64 << 30


@pytest.mark.parametrize("home", ["/tmp/home", "/tmp/a/b/home", "/tmp", "/dev/shm/home"])
def test_a_home_below_a_fresh_mount_is_there(pool: Pool, home: str) -> None:
    mounts = (TmpMount("/tmp"), DevicesMount((Device.NULL,)), TmpMount("/dev/shm"))
    within = container(mounts=mounts, writable=True, directories=(home,))
    assert printed(pool.run(shell(f"echo hello > {home}/file && cat {home}/file", within=within))) == "hello\n"


def test_a_home_is_not_made_in_what_is_bound_from_the_host(pool: Pool, tmp_path: Path) -> None:
    mounts = (TmpMount("/tmp"), BindMount("/tmp/a/bound", str(tmp_path)))
    within = container(mounts=mounts, writable=True, directories=("/tmp/a/bound/home", "/tmp/a"))
    assert printed(pool.run(shell("ls /tmp/a", within=within))) == "bound\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["/scaffold/made", "../scaffold/made", "/made", "/proc/made", "missing/made"])
@pytest.mark.parametrize("directory", [False, True])
def test_a_mount_point_that_is_a_link_of_a_layer_to_nowhere_is_an_error(
    pool: Pool, tmp_path: Path, target: str, *, directory: bool
) -> None:
    """What is missing is made, but not through a link: it would lead out of the container that is being composed."""
    layer, shown = tmp_path / "layer", tmp_path / "shown"
    layer.mkdir()
    (layer / "point").symlink_to(target)
    if directory:
        shown.mkdir()
    else:
        shown.write_text("shown")
    within = container(LayerDirectory(str(layer)), mounts=(BindMount("/point", str(shown)),))
    outcome = pool.run(shell("cat /point", within=within))
    assert isinstance(outcome, ExecutionError), outcome
    assert outcome.message == "failed to make the mount point /point: File exists"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["layer", "shown"]
    assert isinstance(pool.run(shell("true")), Exited)


@pytest.mark.parametrize("writable", [False, True])
def test_a_tmp_mount_is_as_large_as_was_asked_for(pool: Pool, *, writable: bool) -> None:
    mounts = (PROC, TmpMount("/tmp", size=1 << 20), TmpMount("/run", size=64 << 30), TmpMount("/srv"))
    script = "df -B1 --output=target,size /tmp /run /srv; head -c 2000000 /dev/urandom > /tmp/x; stat -c %s /tmp/x"
    within = container(mounts=(*mounts, DevicesMount((Device.URANDOM,))), writable=writable)
    lines = [line.split() for line in printed(pool.run(shell(script, within=within))).splitlines()[1:]]
    sizes = {line[0]: int(line[-1]) for line in lines[:3]}
    assert (sizes["/tmp"], sizes["/run"]) == (1 << 20, 64 << 30)
    assert sizes["/srv"] not in {1 << 20, 64 << 30}
    assert lines[3] == [str(1 << 20)]
