"""Work on many files at a time: the C functions do what Python's would, and threads lose no error."""

import errno
import os
import stat
import threading

import pytest

from maelstrom_container.file_batches import (
    _COPY,
    _READ,
    _WRITE,
    READ_BUFFER,
    RECORD,
    CopyError,
    FileCopy,
    FileWrite,
    copy_files,
    in_threads,
    read_files,
    scan,
    signature,
    unpacked,
    write_files,
)
from maelstrom_container.native import ffi


@pytest.fixture
def place(tmp_path):
    for name in ("source", "layer", "blobs"):
        (tmp_path / name).mkdir()
    return tmp_path


def copy_of(source, *, name=b"made", blob=b"b" * 64, mode=0o640, mtime=1_234_567_891):
    return FileCopy(os.fsencode(source), signature(source.stat()), name, blob, mode, mtime)


def copied(place, *copies, reflinks=False):
    directory, blobs = (os.open(place / name, os.O_RDONLY) for name in ("layer", "blobs"))
    try:
        return copy_files(copies, directory, blobs, reflinks=reflinks)
    finally:
        os.close(directory)
        os.close(blobs)


@pytest.mark.parametrize(("packed", "name"), [(RECORD, "record"), (_READ, "read"), (_COPY, "copy"), (_WRITE, "write")])
def test_what_is_packed_is_as_long_as_in_c(packed, name):
    assert packed.size == ffi.sizeof(f"struct file_{name}")


def test_a_scan_finds_what_is_there(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / os.fsdecode(b"\xff")).touch()
    records, latest = scan(os.fsencode(tmp_path))
    found = {name: stat.S_IFMT(mode) for name, mode in unpacked(records)}
    assert found == {b"file": stat.S_IFREG, b"directory": stat.S_IFDIR, b"link": stat.S_IFLNK, b"\xff": stat.S_IFREG}
    files = [path.lstat() for path in tmp_path.iterdir() if path.name != "directory"]
    assert latest == max(max(each.st_ctime_ns, each.st_mtime_ns) for each in files)


def test_a_scan_of_thousands_is_complete(tmp_path):
    names = {f"{number:0200d}".encode() for number in range(2000)}
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    records, _ = scan(os.fsencode(tmp_path))
    assert {name for name, _ in unpacked(records)} == names


def test_a_scan_says_the_same_until_something_changes(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "sub").mkdir()
    first = scan(os.fsencode(tmp_path))
    (tmp_path / "sub" / "below").touch()
    assert scan(os.fsencode(tmp_path)) == first
    (tmp_path / "sub").chmod(0o700)
    second = scan(os.fsencode(tmp_path))
    assert second != first
    (tmp_path / "file").write_text("xy")
    assert scan(os.fsencode(tmp_path)) != second


def test_what_cannot_be_scanned_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        scan(os.fsencode(tmp_path / "nothing"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        scan(os.fsencode(tmp_path / "file"))


def test_files_are_read_with_what_they_are(tmp_path):
    contents = [b"", b"x", b"y" * 100_000]
    paths = [tmp_path / str(number) for number in range(3)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    read = read_files([os.fsencode(path) for path in paths])
    assert [each.contents for each in read] == contents
    assert [each.signature for each in read] == [signature(path.stat()) for path in paths]


def test_what_cannot_be_read_in_one_go_is_left_out(tmp_path):
    paths = [tmp_path / name for name in ("nothing", "directory", "large", "small")]
    paths[1].mkdir()
    paths[2].write_bytes(bytes(READ_BUFFER))
    paths[3].write_bytes(b"small")
    *others, small = read_files([os.fsencode(path) for path in paths])
    assert others == [None, None, None]
    assert small.contents == b"small"


@pytest.mark.parametrize("size", [1, 64 * 1024, 64 * 1024 + 1, 1_000_000])
@pytest.mark.parametrize("reflinks", [True, False])
def test_a_copy_becomes_the_blob_and_the_next_one_is_a_link_to_it(place, size, reflinks):
    source = place / "source" / "file"
    source.write_bytes(os.urandom(size))
    copied(place, copy_of(source), copy_of(source, name=b"again"), reflinks=reflinks)
    made, again = place / "layer" / "made", place / "layer" / "again"
    assert made.read_bytes() == source.read_bytes()
    assert (stat.S_IMODE(made.stat().st_mode), made.stat().st_mtime_ns) == (0o640, 1_234_567_891)
    assert made.samefile(again)
    assert made.samefile(place / "blobs" / ("b" * 64))


@pytest.mark.parametrize(("given", "stored"), [(-1, -1), (-(10**9) - 1, -(10**9) - 1), (-(2**63), -(2**31) * 10**9)])
def test_times_before_the_epoch_are_kept_as_far_as_file_systems_can(place, given, stored):
    source = place / "source" / "file"
    source.write_text("x")
    copied(place, copy_of(source, mtime=given))
    assert (place / "layer" / "made").stat().st_mtime_ns == stored


def test_a_source_that_has_changed_is_told_from_a_target_that_cannot_be_made(place):
    source, other = place / "source" / "file", place / "source" / "other"
    source.write_text("x")
    other.write_text("x")
    changed = copy_of(source, name=b"changed", blob=b"c" * 64)
    source.write_text("xy")
    with pytest.raises(CopyError) as caught:
        copied(place, copy_of(other), changed)
    assert (caught.value.index, caught.value.of_source) == (1, True)
    (place / "layer" / "taken").touch()
    with pytest.raises(CopyError) as caught:
        copied(place, copy_of(other, name=b"taken", blob=b"d" * 64))
    assert (caught.value.index, caught.value.of_source, caught.value.error.errno) == (0, False, errno.EEXIST)


def test_every_item_is_worked_on_once():
    done = []
    in_threads(done.append, iter(range(1000)), threads=4)
    assert sorted(done) == list(range(1000))


def test_the_first_error_is_raised_when_nobody_works_any_more():
    barrier = threading.Barrier(3)

    def work(number):
        barrier.wait()
        if number == 1:
            raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        in_threads(work, iter(range(3)), threads=3)
    assert not [thread for thread in threading.enumerate() if thread.name == "layer-files"]


def test_what_could_not_be_written_is_not_held_by_the_error(place):
    """A traceback that holds a memoryview that is lent kills Python before 3.11.9 and 3.12.3 when it is collected."""
    (place / "layer" / "made").touch()
    contents = memoryview(bytearray(10))
    write = FileWrite(b"made", b"b" * 64, 0o644, 0, 0, 10)
    directory, blobs = (os.open(place / name, os.O_RDONLY) for name in ("layer", "blobs"))
    try:
        with pytest.raises(FileExistsError) as caught:
            in_threads(lambda write: write_files([write], contents, directory, blobs), [write])
        contents.release()  # it could not be while it is lent
        assert caught.traceback
    finally:
        os.close(directory)
        os.close(blobs)
