"""What layers of images may hold that other archives may not, and hard links without end."""

import os
import stat
import tarfile

import pytest

from maelstrom_core.errors import SpecError
from tests.unit.container.test_extract import MTIME, archive, member, target, unpack

__all__ = ["target"]


def link(name, target, kind=tarfile.LNKTYPE):
    return member(name, kind, linkname=target)


def test_of_a_file_that_an_image_has_several_times_the_last_is_taken(target):
    members = [
        member("file", data=b"first"),
        link("hard", "file"),
        member("file", data=b"second"),
        link("other", "file"),
        link("soft", "file", tarfile.SYMTYPE),
        member("soft", data=b"no link any more"),
        member("was", data=b"a file"),
        link("was", "hard", tarfile.SYMTYPE),
        link("file", "file"),
        link("other", "hard"),
    ]
    unpack(archive(*members), target, of_image=True)
    texts = {path.name: path.read_text() for path in target.iterdir()}
    assert texts == {"file": "second", "hard": "first", "other": "first", "soft": "no link any more", "was": "first"}
    assert (target / "was").is_symlink()
    assert not (target / "soft").is_symlink()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([member("x/y"), member("x")], id="a directory becomes a file"),
        pytest.param([member("x", tarfile.DIRTYPE), link("x", "/etc", tarfile.SYMTYPE)], id="or a symlink"),
        pytest.param([member("x"), member("x", tarfile.DIRTYPE)], id="a file becomes a directory"),
        pytest.param([link("x", "/tmp", tarfile.SYMTYPE), member("x/file")], id="something below a symlink"),
    ],
)
def test_what_is_a_directory_and_something_else_is_refused_in_images_too(target, members):
    with pytest.raises(SpecError, match="director"):
        unpack(archive(*members), target, of_image=True)


def kind_of(path):
    status = path.lstat()
    if stat.S_ISCHR(status.st_mode):
        return "whiteout"
    opaque = stat.S_ISDIR(status.st_mode) and "user.overlay.opaque" in os.listxattr(path)
    return "opaque" if opaque else "directory" if stat.S_ISDIR(status.st_mode) else "file"


@pytest.mark.parametrize("of_image", [True, False])
@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ([".wh.x", "x"], "file"),
        (["x", ".wh.x"], "file"),
        ([".wh.x", "x/"], "opaque"),
        ([".wh.x", "x/y"], "opaque"),
        (["x/y", ".wh.x"], "opaque"),
        ([".wh.x", ".wh.x"], "whiteout"),
    ],
)
def test_a_whiteout_in_an_image_hides_what_lower_layers_have_and_not_what_its_own_has(target, names, kind, of_image):
    members = [member(name, tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE) for name in names]
    if of_image:
        unpack(archive(*members), target, of_image=True)
        assert kind_of(target / "x") == kind
    else:
        with pytest.raises(SpecError):
            unpack(archive(*members), target)


def test_a_file_with_more_names_than_the_file_system_allows_is_copied(target):
    """65,000 on ext4; those that allow more have nothing to be copied."""
    most = os.pathconf(target, "PC_LINK_MAX")
    if most > 70_000:
        pytest.skip(f"a file may have {most} names here")
    count = most + 10
    links = [link(f"{number:x}", "file") for number in range(count)]
    size = unpack(archive(member("file", data=b"x" * 1000, mode=0o750), *links), target)
    inodes = {}
    for entry in os.scandir(target):
        inodes.setdefault(entry.inode(), entry.path)
    assert len(inodes) == 2
    statuses = [os.stat(path) for path in inodes.values()]
    assert sorted(status.st_nlink for status in statuses) == [count + 1 - most, most]
    assert {(status.st_mode & 0o777, status.st_size, status.st_mtime) for status in statuses} == {(0o750, 1000, MTIME)}
    assert size == 2 * 1000 + 4096
