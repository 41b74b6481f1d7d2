"""Unpacking archives, honest and hostile ones (FS22 and beyond)."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import subprocess
import sys
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maelstrom_container import extract
from maelstrom_container.extract import Limits, extract_tar
from maelstrom_core.errors import SpecError
from tests.support.images import zstd_compress

MTIME = 1_500_000_000


def member(name, kind=tarfile.REGTYPE, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime, info.mode = kind, len(data), MTIME, 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def archive(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def target(tmp_path):
    directory = tmp_path / "target"
    directory.mkdir()
    return directory


def unpack(data, target, **options):
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return extract_tar(io.BytesIO(data), root, **options)
    finally:
        os.close(root)


def test_files_directories_and_links_with_modes_and_times(target):
    data = archive(
        member("./", tarfile.DIRTYPE, mode=0o755),
        member("dir/", tarfile.DIRTYPE, mode=0o555),
        member("dir/file", data=b"contents", mode=0o640),
        member("dir/link", tarfile.SYMTYPE, linkname="/elsewhere"),
        member("hard", tarfile.LNKTYPE, linkname="dir/file"),
        member("implied/below", data=b"x"),
    )
    assert unpack(data, target) == 8 + 1 + 3 * 4096  # the root, `dir` and `implied`
    assert (target / "dir" / "file").read_bytes() == b"contents"
    assert stat.S_IMODE((target / "dir" / "file").stat().st_mode) == 0o640
    assert (target / "dir" / "file").stat().st_mtime == MTIME
    assert (target / "hard").samefile(target / "dir" / "file")
    assert (target / "dir" / "link").readlink().as_posix() == "/elsewhere"
    assert stat.S_IMODE((target / "dir").stat().st_mode) == 0o555
    assert (target / "dir").stat().st_mtime == MTIME
    assert stat.S_IMODE((target / "implied").stat().st_mode) == 0o755


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd_compress])
def test_compressed_archives_are_recognised(target, compress):
    data = archive(member("file", data=os.urandom(1000) * 2000))
    unpack(compress(data), target)
    assert (target / "file").stat().st_size == 2_000_000


def test_frames_of_zstd_that_hold_no_data_are_skipped(target):
    """Some tools put an index of a layer into one."""
    skipped = b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + b"whatever"
    data = archive(member("file", data=os.urandom(100_000)))
    unpack(zstd_compress(data[:50_000]) + skipped + zstd_compress(data[50_000:]) + skipped, target)
    assert (target / "file").stat().st_size == 100_000


def test_devices_and_pipes_can_be_left_out(target):
    nodes = [member("dev/null", tarfile.CHRTYPE), member("dev/sda", tarfile.BLKTYPE), member("pipe", tarfile.FIFOTYPE)]
    unpack(archive(*nodes, member("file", data=b"x")), target, of_image=True)
    assert [entry.name for entry in target.iterdir()] == ["file"]


def test_all_bytes_are_observed_those_after_the_end_included(target):
    data = archive(member("file", data=b"x")) + bytes(20_000)
    seen = []
    unpack(gzip.compress(data), target, observe=seen.append)
    assert b"".join(seen) == data


def test_concatenated_gzip_members_are_one_archive(target):
    data = archive(member("file", data=os.urandom(100_000)))
    unpack(gzip.compress(data[:50_000]) + gzip.compress(data[50_000:]), target)
    assert (target / "file").stat().st_size == 100_000


def test_whiteouts_become_those_of_overlays(target):
    data = archive(
        member("dir/.wh.gone"), member("opaque/.wh..wh..opq"), member("opaque/own"), member("dir/.wh..wh.plnk")
    )
    unpack(data, target)
    status = (target / "dir" / "gone").lstat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    assert os.getxattr(target / "opaque", "user.overlay.opaque") == b"y"
    assert [entry.name for entry in (target / "dir").iterdir()] == ["gone"]


def test_extended_attributes_are_not_taken_from_archives(target):
    headers = {"SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.user.other": "x"}
    unpack(archive(member("dir", tarfile.DIRTYPE, mode=0o755, pax_headers=headers)), target)
    assert os.listxattr(target / "dir") == []


def test_set_id_bits_are_dropped_and_the_sticky_bit_of_directories_kept(target):
    unpack(archive(member("file", mode=0o6755), member("tmp", tarfile.DIRTYPE, mode=0o7777)), target)
    assert stat.S_IMODE((target / "file").stat().st_mode) == 0o755
    assert stat.S_IMODE((target / "tmp").stat().st_mode) == 0o1777


def test_a_directory_again_updates_its_attributes(target):
    first, again = (member("dir", tarfile.DIRTYPE, mode=mode) for mode in (0o700, 0o755))
    unpack(archive(first, member("dir/file"), again), target)
    assert stat.S_IMODE((target / "dir").stat().st_mode) == 0o755


def test_directories_stay_traversable_by_their_owner(target):
    unpack(archive(member("dir", tarfile.DIRTYPE, mode=0), member("dir/file")), target)
    assert stat.S_IMODE((target / "dir").stat().st_mode) == 0o500


def test_absolute_paths_start_at_the_target(target):
    unpack(archive(member("/etc/passwd", data=b"x")), target)
    assert (target / "etc" / "passwd").read_bytes() == b"x"


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([member("null", tarfile.CHRTYPE)], id="fs22-device"),
        pytest.param([member("pipe", tarfile.FIFOTYPE)], id="fs22-pipe"),
        pytest.param([member("file"), member("file")], id="fs22-duplicate"),
        pytest.param([member("file"), member("file", tarfile.DIRTYPE)], id="fs22-file-then-directory"),
        pytest.param([member("file", tarfile.DIRTYPE), member("file")], id="fs22-directory-then-file"),
        pytest.param([member("link", tarfile.LNKTYPE, linkname="missing")], id="fs22-link-to-missing"),
        pytest.param(
            [member("dir", tarfile.DIRTYPE), member("link", tarfile.LNKTYPE, linkname="dir")],
            id="fs22-link-to-directory",
        ),
        pytest.param([member(".wh.x"), member("link", tarfile.LNKTYPE, linkname="x")], id="fs22-link-to-whiteout"),
        pytest.param([member("../outside")], id="dot-dot"),
        pytest.param([member("link", tarfile.LNKTYPE, linkname="../outside")], id="link-dot-dot"),
        pytest.param([member("s", tarfile.SYMTYPE, linkname="/tmp"), member("s/x")], id="through-absolute-symlink"),
        pytest.param([member("s", tarfile.SYMTYPE, linkname=".."), member("s/x")], id="through-relative-symlink"),
        pytest.param(
            [member("s", tarfile.SYMTYPE, linkname=".."), member("l", tarfile.LNKTYPE, linkname="s/target")],
            id="link-through-symlink",
        ),
        pytest.param([member("s", tarfile.SYMTYPE, linkname="")], id="empty-target"),
        pytest.param([member("file"), member("file/below")], id="below-a-file"),
        pytest.param([member("/".join(["d"] * 200))], id="too-deep"),
        pytest.param([member("n" * 300)], id="too-long"),
        pytest.param([member(".wh.")], id="whiteout-of-nothing"),
        pytest.param([member(".wh...")], id="whiteout-of-parent"),
        pytest.param([member(".wh.dir/file")], id="whiteout-as-directory"),
        pytest.param([member("../.wh.x")], id="whiteout-outside"),
        pytest.param([member("../.wh..wh..opq")], id="opaque-outside"),
        pytest.param([member("/")], id="file-as-root"),
    ],
)
def test_fs22_what_a_layer_cannot_hold_is_an_error(target, members):
    with pytest.raises(SpecError):
        unpack(archive(*members), target)
    assert [entry.name for entry in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("limits", [Limits(total_size=10), Limits(entries=1)])
def test_limits_are_kept(target, limits):
    with pytest.raises(SpecError, match="more than"):
        unpack(archive(member("a", data=b"x" * 8), member("b", data=b"x" * 8)), target, limits=limits)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(entries=300), "more than 300 entries"),
        (Limits(total_size=300 * 4096), "more than .* bytes"),
        (Limits(directory_paths=10_000), "directories whose paths take more than 10000 bytes"),
    ],
)
def test_directories_that_are_only_implied_count_too(target, limits, message):
    """One member can make 127 of them."""
    members = [member("/".join([f"{number:04}"] * 128)) for number in range(10)]
    with pytest.raises(SpecError, match=message):
        unpack(archive(*members), target, limits=limits)
    assert sum(1 for _ in target.rglob("*")) < 300 + 128


def test_names_are_the_bytes_of_the_archive_whatever_the_locale(target):
    """A layer's key is that of the archive: what is made of it must not depend on who makes it."""
    child = """
import os, sys
from maelstrom_container.extract import extract_tar
extract_tar(open(sys.argv[1], "rb"), os.open(sys.argv[2], os.O_RDONLY))
print(ascii(os.listdir(os.fsencode(sys.argv[2]))))
"""
    data = target.parent / "archive.tar"
    data.write_bytes(archive(member("日本", data=b"x"), member("\udcff", data=b"x")))
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LC_ALL": "POSIX",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    command = [sys.executable, "-c", child, str(data), str(target)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert sorted(os.listdir(os.fsencode(target))) == ["日本".encode(), b"\xff"]


def test_size_is_believed_only_as_far_as_there_are_data(target):
    info, _ = member("file")
    info.size = 1 << 40
    with pytest.raises(SpecError):
        unpack(info.tobuf(tarfile.GNU_FORMAT), target)
    info.size = 1000
    with pytest.raises(SpecError, match="damaged"):
        unpack(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 512, target)


def test_header_of_hostile_size_is_not_read_into_memory(target, monkeypatch):
    monkeypatch.setattr(extract, "_HEADERS", 1 << 20)
    info, _ = member("x", tarfile.XHDTYPE)
    info.size = 1 << 40
    data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"0" * (4 << 20))
    with pytest.raises(SpecError, match="excessive"):
        unpack(data, target)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compression_ratio_is_bounded(target, monkeypatch, compress):
    monkeypatch.setattr("maelstrom_container.archive_stream._RATIO_GRACE", 1000)
    monkeypatch.setattr("maelstrom_container.archive_stream._RATIO", 10)
    with pytest.raises(SpecError, match="times its size"):
        unpack(compress(archive(member("zeros", data=bytes(1 << 20)))), target)


def test_what_follows_the_end_mark_is_bounded_too(target):
    data = bz2.compress(archive(member("file"))) + bz2.compress(bytes(1 << 20)) * 3
    unpack(data, target)
    (target / "file").unlink()
    with pytest.raises(SpecError, match="goes on for more than 2097152 bytes after its end mark"):
        unpack(data, target, limits=Limits(total_size=2 << 20))


def test_damaged_header_in_the_middle_is_not_taken_for_the_end(target):
    data = bytearray(archive(member("first"), member("second")))
    data[512 + 10] ^= 0xFF
    with pytest.raises(SpecError, match="damaged"):
        unpack(bytes(data), target)


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 2000, gzip.compress(b"x" * 2000), b"\x28\xb5\x2f\xfd" + b"x" * 100],
    ids=["empty", "text", "compressed-text", "zstd"],  # of its own pytest takes the bytes, and gzip's hold the time
)
def test_what_is_no_archive_is_an_error(target, data):
    with pytest.raises(SpecError):
        unpack(data, target)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd_compress])
def test_truncated_compression_is_an_error(target, compress):
    data = compress(archive(member("file", data=os.urandom(100_000))))
    with pytest.raises(SpecError):
        unpack(data[: len(data) // 2], target)


names = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "link"]), min_size=1, max_size=4
).map("/".join)
kinds = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE])
targets = st.sampled_from(["..", "../..", "/", "a", "b/link", "../outside", "/tmp", ".", "../../../../../../tmp"])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    members=st.lists(st.tuples(names, kinds, targets), max_size=8),
    damage=st.none() | st.integers(0, 4000),
    of_image=st.booleans(),
)
def test_nothing_is_ever_written_outside_the_target(tmp_path_factory, members, damage, of_image):
    outer = tmp_path_factory.mktemp("outer")
    target = outer / "target"
    target.mkdir()
    (outer / "outside").write_text("untouched")
    data = bytearray(
        archive(
            *(
                member(name, kind, b"x" if kind == tarfile.REGTYPE else b"", linkname=link)
                for name, kind, link in members
            )
        )
    )
    if damage is not None:
        data[damage % len(data)] ^= 0x55
    with contextlib.suppress(SpecError):
        unpack(bytes(data), target, of_image=of_image)
    assert sorted(entry.name for entry in outer.iterdir()) == ["outside", "target"]
    assert (outer / "outside").read_text() == "untouched"
    assert (outer / "outside").stat().st_nlink == 1
