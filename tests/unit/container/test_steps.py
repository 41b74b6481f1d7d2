"""The launch plan as data: what is done for each job, in which order."""

from __future__ import annotations

import struct

import pytest

from maelstrom_container.native import ffi, lib
from maelstrom_container.steps import (
    Attach,
    Cover,
    Detach,
    Layout,
    MakeDirectory,
    MakeFile,
    Mount,
    Pivot,
    Protect,
    Step,
    Unit,
    compile_steps,
    describe,
    fork_steps,
    job_steps,
    memory_bounds,
    pack_steps,
    template_steps,
)
from maelstrom_container.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY

TMP = Mount("tmpfs", "/tmp", "mode=1777")
PROC = Mount("proc", "/proc")
NOEXEC = MS_NOSUID | MS_NODEV | MS_NOEXEC


def test_a_read_only_job_gets_a_copy_of_the_prepared_root_and_its_fresh_mounts() -> None:
    layout = Layout(writable=False, cover=False, units=(Unit("root/usr", "/usr"),), fresh=(PROC, TMP))
    assert job_steps(layout, memory=4096) == [
        Attach("root", "job"),
        Pivot("job"),
        PROC,
        Mount("tmpfs", "/tmp", "size=4096,nr_inodes=1024,mode=1777"),
        Detach(),
    ]


def test_a_writable_job_composes_its_own_root_over_the_prepared_one() -> None:
    units = (Unit("root/usr", "/usr"), Unit("scaffold/3", "/home/me", overlay=True))
    steps = job_steps(Layout(writable=True, cover=False, units=units, fresh=(PROC,)), memory=4096)
    assert steps == [
        Mount("tmpfs", "upper", "size=4096,nr_inodes=1024,mode=755"),
        MakeDirectory("upper/0"),
        MakeDirectory("upper/0w"),
        Mount("overlay", "job", "lowerdir=scaffold/base,upperdir=upper/0,workdir=upper/0w,userxattr"),
        Pivot("job"),
        Attach("root/usr", "/usr"),
        MakeDirectory("upper/1"),
        MakeDirectory("upper/1w"),
        Mount("overlay", "/home/me", "lowerdir=scaffold/3,upperdir=upper/1,workdir=upper/1w,userxattr"),
        PROC,
        Detach(),
    ]


def test_what_lies_on_a_fresh_mount_comes_after_it() -> None:
    fresh = (TMP, MakeDirectory("/tmp/a"), Unit("scaffold/1", "/tmp/a", overlay=False))
    steps = job_steps(Layout(writable=False, cover=False, units=(), fresh=fresh), memory=1)
    assert steps[2:-1] == [
        Mount("tmpfs", "/tmp", "size=1,nr_inodes=1024,mode=1777"),
        fresh[1],
        Attach("scaffold/1", "/tmp/a"),
    ]


def test_a_job_begins_in_a_root_that_covers_the_old_one_already() -> None:
    layout = Layout(writable=False, cover=True, units=(Unit("root/usr", "/usr"),), fresh=(PROC, TMP), covered=True)
    assert job_steps(layout, memory=4096) == [PROC, Mount("tmpfs", "/tmp", "size=4096,nr_inodes=1024,mode=1777")]


def test_a_template_covers_the_proc_of_the_outer_sandbox_and_keeps_what_its_forks_are_made_of() -> None:
    layout = Layout(writable=True, cover=False, units=(), fresh=(PROC, Protect("/proc/sys")))
    steps = template_steps(layout, memory=1, protect=False)
    assert steps[0] == Mount("proc", "proc", flags=NOEXEC)
    assert Cover("job") in steps
    assert not any(isinstance(step, Pivot | Detach) for step in steps)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_fork_has_an_upper_layer_of_its_own(depth: int) -> None:
    layout = Layout(writable=True, cover=True, units=(), fresh=(PROC,))
    steps = fork_steps(layout, memory=1, protect=False, depth=depth)
    assert steps[0] == Mount("tmpfs", f"upper{depth}", "size=1,nr_inodes=1024,mode=755")
    assert PROC in steps


def test_forks_of_a_real_root_get_a_read_only_proc() -> None:
    """The proc by which the kernel lets them mount one is read-only as well: nobody below can mount a better one."""
    layout = Layout(writable=False, cover=True, units=(), fresh=(PROC, Protect("/proc/sys"), TMP))
    template = template_steps(layout, memory=1, protect=True)
    assert template[0] == Mount("proc", "proc", flags=NOEXEC | MS_RDONLY)
    steps = fork_steps(layout, memory=1, protect=True, depth=1)
    assert Mount("proc", "/proc", flags=NOEXEC | MS_RDONLY) in steps
    assert not any(isinstance(step, Protect | Pivot | Detach) for step in steps)


def test_packed_steps_are_what_the_library_reads() -> None:
    packed = pack_steps([Mount("tmpfs", "/t", "size=1", 6), MakeDirectory("/d", 0o700)])
    first = struct.pack("=iiQ", lib.STEP_MOUNT, 0, 6) + b"none\0/t\0tmpfs\0size=1\0"
    assert packed == first + struct.pack("=iiQ", lib.STEP_MKDIR, 0o700, 0) + b"/d\0\0\0\0"


def test_sources_are__relative_to_the_old_root() -> None:
    """An absolute source would be looked up in the container: a symbolic link of an image could redirect it."""
    units = (Unit("root/usr", "/usr"), Unit("scaffold/3", "/home", overlay=True))
    steps = job_steps(Layout(writable=True, cover=False, units=units, fresh=()), memory=1)
    after = steps[steps.index(Pivot("job")) :]
    assert not any(isinstance(step, Attach) and step.source.startswith("/") for step in after)
    assert not any(isinstance(step, Mount) and "=/" in step.data for step in after)


def test_every_file_system_in_memory_is_bounded() -> None:
    layout = Layout(writable=True, cover=False, units=(), fresh=(TMP, Mount("tmpfs", "/run", "")))
    mounts = [step for step in job_steps(layout, memory=77) if isinstance(step, Mount) and step.kind == "tmpfs"]
    assert len(mounts) == 3
    assert all(mount.data.split(",")[:2] == ["size=77", "nr_inodes=1024"] for mount in mounts)


def test_a_file_system_in_memory_holds_a_file_for_each_page_of_it() -> None:
    assert memory_bounds(1 << 30) == "size=1073741824,nr_inodes=262144"


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Mount("proc", "/proc"), "mount proc at /proc"),
        (Attach("root", "/x"), "mount at /x"),
        (MakeDirectory("/y"), "make the directory /y"),
        (MakeFile("/z"), "make the file /z"),
        (Protect("/proc/sys"), "make /proc/sys read-only"),
        (Pivot("job"), "change the root"),
        (Cover("job"), "change the root"),
        (Detach(), "let go of the old root"),
    ],
)
def test_each_step_can_be_named_in_an_error(step: Step, text: str) -> None:
    assert describe(step) == text


def test_compiled_steps_hold_what_c_reads() -> None:
    compiled = compile_steps([Mount("tmpfs", "/t", "size=1"), MakeDirectory("/d", 0o700), Pivot("/j"), Detach()])
    first, second, third, last = compiled.array
    assert (first.op, second.op, third.op, last.op) == (
        lib.STEP_MOUNT,
        lib.STEP_MKDIR,
        lib.STEP_PIVOT,
        lib.STEP_DETACH,
    )
    assert [ffi.string(text) for text in (first.a, first.b, first.c, first.d)] == [b"none", b"/t", b"tmpfs", b"size=1"]
    assert second.number == 0o700
    assert ffi.string(last.a) == b""


@pytest.mark.parametrize("writable", [False, True])
def test_a_job_that_can_unmount_nothing_gets_its_root_on_top_of_the_old_one(writable: bool) -> None:
    layout = Layout(writable=writable, cover=True, units=(), fresh=(PROC,))
    steps = job_steps(layout, memory=1)
    assert Cover("job") in steps
    assert not any(isinstance(step, Pivot | Detach) for step in steps)
