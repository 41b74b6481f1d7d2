"""Files that a job has left, brought to a directory: hostile ones, ones in the way, disks that are full."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.captured import bring_back as module
from maelstrom_container.captured.bring_back import STAGE, Part, bring_back, parts_of
from maelstrom_container.captured.upper import walk
from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import Capture, Captured

ROOT = Captured(("/",), "/work")


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    (tmp_path / "capture/0/work").mkdir(parents=True)
    return Capture(str(tmp_path / "capture"))


@pytest.fixture
def left(capture: Capture) -> Path:
    """Return what the job finds at /work."""
    return Path(capture.directory, "0/work")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def found(target: Path) -> dict[str, str]:
    return {
        str(path.relative_to(target)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in target.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }


# where it is


def test_the_tree_that_holds_the_path_and_those_below_it_are_brought_back() -> None:
    captured = Captured(("/", "/home/me", "/home/me/lib", "/usr"), "/home/me")
    assert parts_of(captured) == (Part(1, ".", ""), Part(2, "", "lib"))
    assert parts_of(Captured(("/", "/usr"), "/var/x")) == (Part(0, "var/x", ""),)
    assert parts_of(Captured(("/", "/usr"), "/")) == (Part(0, ".", ""), Part(1, "", "usr"))


names = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(names, unique=True), names)
def test_exactly_one_part_holds_the_path_itself(uppers: list[str], path: str) -> None:
    captured = Captured(("/", *(each for each in uppers if each != "/")), path)
    parts = parts_of(captured)
    assert sum(part.below == "" for part in parts) == 1
    for part in parts:
        where = captured.uppers[part.upper]
        assert os.path.normpath(os.path.join(where, part.inside)) == os.path.normpath(os.path.join(path, part.below))


# what is brought


def test_files_links_and_directories_come_with_modes_times_and_contents(
    capture: Capture, left: Path, target: Path
) -> None:
    (left / "deep/er").mkdir(parents=True)
    (left / "deep/er/file").write_text("contents")
    os.utime(left / "deep/er/file", ns=(1, 1_000_000_001))
    (left / "tool").write_text("#!")
    (left / "tool").chmod(0o6755)
    (left / "empty").mkdir()
    (left / "out").symlink_to("/etc/passwd")
    os.link(left / "tool", left / "twin")
    assert bring_back(capture, ROOT, target) == ()
    assert found(target) == {"deep/er/file": "contents", "tool": "#!", "twin": "#!", "out": "/etc/passwd"}
    assert (target / "empty").is_dir()
    assert (target / "deep/er/file").stat().st_mtime_ns == 1_000_000_001
    assert stat.S_IMODE((target / "tool").stat().st_mode) == 0o755 & ~_mask()
    assert (target / "tool").samefile(target / "twin")
    assert not (target / "tool").samefile(left / "tool")
    assert {path.stat(follow_symlinks=False).st_uid for path in target.rglob("*")} == {os.getuid()}


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_nobody_may_read_is_the_callers_all_the_same(capture: Capture, left: Path, target: Path) -> None:
    (left / "shut").mkdir()
    (left / "shut/file").write_text("x")
    (left / "shut/file").chmod(0)
    (left / "shut").chmod(0)
    bring_back(capture, ROOT, target)
    assert stat.S_IMODE((target / "shut").stat().st_mode) == 0o700
    assert stat.S_IMODE((target / "shut/file").stat().st_mode) == 0


def test_names_that_are_no_text_and_names_with_newlines(capture: Capture, left: Path, target: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"-rf", b" ", b"\x1b[2J", b"x" * 255):
        with open(os.fsencode(left) + b"/" + name, "wb") as file:
            file.write(name)
    bring_back(capture, ROOT, target)
    assert sorted(os.listdir(os.fsencode(target))) == sorted(os.listdir(os.fsencode(left)))


def test_holes_stay_holes(capture: Capture, left: Path, target: Path) -> None:
    size = 1 << 40
    with (left / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(size // 2)
        file.write(b"middle")
        file.truncate(size)
    bring_back(capture, ROOT, target)
    copy = target / "sparse"
    assert copy.stat().st_size == size
    assert copy.stat().st_blocks * 512 < 1 << 20
    with copy.open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek(size // 2)
        assert file.read(7) == b"middle\0"


def test_pipes_and_sockets_are_left_out_and_said(capture: Capture, left: Path, target: Path) -> None:
    os.mkfifo(left / "pipe")
    here = os.getcwd()
    os.chdir(left)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
    finally:
        os.chdir(here)
    assert bring_back(capture, ROOT, target) == ("pipe is a pipe", "socket is a socket")
    assert found(target) == {}


def test_deletions_are_not_applied(capture: Capture, left: Path, target: Path) -> None:
    os.mknod(left / "gone", stat.S_IFCHR, 0)
    target.mkdir()
    (target / "gone").write_text("here")
    bring_back(capture, ROOT, target)
    assert found(target) == {"gone": "here"}


def test_a_directory_that_was_there_comes_only_with_something_in_it(capture: Capture, left: Path, target: Path) -> None:
    for name in ("touched", "changed/inner"):
        (left / name).mkdir(parents=True)
    for name in ("touched", "changed", "changed/inner"):
        os.setxattr(left / name, "user.overlay.origin", b"")
    (left / "changed").chmod(0o700)
    (left / "changed/inner/file").write_text("x")
    bring_back(capture, ROOT, target)
    assert [str(path.relative_to(target)) for path in sorted(target.rglob("*"))] == [
        "changed",
        "changed/inner",
        "changed/inner/file",
    ]
    assert stat.S_IMODE((target / "changed").stat().st_mode) == 0o700


# hostile


@pytest.mark.parametrize("part", ["work", "work/inner"])
def test_a_link_in_place_of_the_directory_is_not_followed(
    capture: Capture, left: Path, target: Path, tmp_path: Path, part: str
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("secret")
    left.rmdir()
    place = Path(capture.directory, "0", part)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(secret)
    bring_back(capture, Captured(("/",), f"/{part}"), target)
    assert found(target) == {}


def test_a_link_in_the_target_is_not_followed(capture: Capture, left: Path, target: Path, tmp_path: Path) -> None:
    """One that an earlier job has left there, perhaps."""
    outside = tmp_path / "outside"
    outside.mkdir()
    target.mkdir()
    (target / "sub").symlink_to(outside)
    (left / "sub").mkdir()
    (left / "sub/file").write_text("x")
    (left / "other").write_text("x")
    with pytest.raises(UserError, match="sub is a link there, and the job left a directory"):
        bring_back(capture, ROOT, target)
    assert os.listdir(outside) == []
    assert os.listdir(target) == ["sub"]


def test_a_link_in_place_of_a_file_is_replaced_not_written_through(
    capture: Capture, left: Path, target: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    target.mkdir()
    (target / "file").symlink_to(victim)
    (left / "file").write_text("job's")
    bring_back(capture, ROOT, target)
    assert victim.read_text() == "mine"
    assert found(target) == {"file": "job's"}
    assert not (target / "file").is_symlink()


def test_a_directory_in_the_way_changes_nothing(capture: Capture, left: Path, target: Path) -> None:
    (target / "b").mkdir(parents=True)
    (target / "a").write_text("old")
    (left / "a").write_text("new")
    (left / "b").write_text("new")
    with pytest.raises(UserError, match="b is a directory there, and the job left a file"):
        bring_back(capture, ROOT, target)
    assert found(target) == {"a": "old"}


def test_names_are_bounded(capture: Capture, left: Path) -> None:
    for number in range(11):
        (left / str(number)).touch()
    root = os.open(left, os.O_RDONLY)
    try:
        assert len(list(walk(root, entries=11))) == 11
        with pytest.raises(SpecError, match="more than 10 files"):
            list(walk(root, entries=10))
    finally:
        os.close(root)


def test_depth_is_bounded_and_nothing_is_left_behind(capture: Capture, left: Path, target: Path) -> None:
    (left / "/".join("d" * 130)).mkdir(parents=True)
    with pytest.raises(SpecError, match="128 levels"):
        bring_back(capture, ROOT, target)
    assert os.listdir(target) == []


@pytest.mark.parametrize("name", ["redirect", "metacopy"])
def test_what_stands_there_by_reference_is_refused(capture: Capture, left: Path, target: Path, name: str) -> None:
    (left / "directory").mkdir()
    (left / "file").touch()
    os.setxattr(left / ("file" if name == "metacopy" else "directory"), f"user.overlay.{name}", b"/etc")
    with pytest.raises(InfrastructureError, match="by reference"):
        bring_back(capture, ROOT, target)
    assert os.listdir(target) == []


# whole or not at all


def test_a_full_disk_changes_nothing(
    capture: Capture, left: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of a disk that is full, which a test cannot have without a mount: the second file finds it so."""
    target.mkdir()
    (target / "a").write_text("old")
    (left / "a").write_text("new")
    (left / "b").write_text("new")
    copied = []

    def full(reader: int, writer: int, size: int) -> None:
        copied.append(reader)
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "copy_contents", full)
    with pytest.raises(OSError, match="No space"):
        bring_back(capture, ROOT, target)
    assert found(target) == {"a": "old"}
    assert os.listdir(target) == ["a"]


def test_what_a_killed_one_has_left_is_removed_and_what_another_makes_is_not(
    capture: Capture, left: Path, target: Path
) -> None:
    for name in ("dead", "alive"):
        (target / f"{STAGE}{name}/sub").mkdir(parents=True)
    lock = os.open(target / f"{STAGE}alive", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bring_back(capture, ROOT, target)
        assert os.listdir(target) == [f"{STAGE}alive"]
    finally:
        os.close(lock)


def test_no_descriptor_is_left(capture: Capture, left: Path, target: Path) -> None:
    (left / "a/b/c").mkdir(parents=True)
    (left / "a/b/c/d").touch()
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        bring_back(capture, ROOT, target)
    assert len(os.listdir("/proc/self/fd")) == len(before)
