"""Layers as they travel: encoded and read again, and what of strangers' manifests is refused."""

import msgspec
import pytest

from maelstrom_container import manifest as layer
from maelstrom_container.manifest import Directory, Entry, File, HardLink, Manifest, Symlink, Whiteout, make_manifest
from maelstrom_container.trees import tree as trees
from maelstrom_container.trees.tree import decode, encode, make_tree
from maelstrom_core.artifact_manifest import MAGIC, join_manifest, read_named, split_manifest
from maelstrom_core.compression import zstd
from maelstrom_core.errors import SpecError

PACKED = 1000


def digest(number):
    return f"{number:064x}"


def file(number, size=10):
    return File(0o644, number, size, digest(number))


NODES = {
    b"": Directory(0o755),
    b"a": Directory(0o700, opaque=True),
    b"a/one": file(1),
    b"a/two": file(2, 20),
    b"b": file(3, PACKED),
    b"c": File(0o600, 5, PACKED, digest(3)),
    b"d": Symlink(b"../../x"),
    b"e": Whiteout(),
    b"f": HardLink(b"a/one"),
    b"g": file(4, 0),
    b"h": file(5),
}


def tree():
    return make_tree(make_manifest(NODES), [(digest(100), 2), (digest(101), 1)], PACKED)


def artifact(manifest: bytes, named=(), packs=(), packed=PACKED, version=1):
    body = msgspec.msgpack.encode([version, packed, list(packs), manifest])
    return join_manifest(named, zstd.compress(body))


def of_entries(*entries):
    return artifact(Manifest(tuple(entries)).encode())


def test_what_was_encoded_is_read_again():
    data = encode(tree(), PACKED)
    assert decode(data) == tree()
    assert encode(decode(data), PACKED) == data
    assert tree().named == (digest(100), digest(101), digest(3))
    assert [pack.size for pack in tree().packs] == [30, 10]


def test_the_broker_reads_what_is_named_and_nothing_else(tmp_path):
    path = tmp_path / "manifest"
    path.write_bytes(join_manifest(map(digest, range(2500)), b"\xff" * 100))
    with path.open("rb") as manifest:
        parts = list(read_named(manifest))
    assert [each for part in parts for each in part] == [digest(number) for number in range(2500)]
    assert len(parts) == 3


@pytest.mark.parametrize(
    "data",
    [b"", b"#!/bin/sh", MAGIC, MAGIC + b"\0\0\0\1" + b"x" * 31, MAGIC + b"\xff\xff\xff\xff"],
    ids=["empty", "other", "short", "truncated", "too many"],
)
def test_what_is_no_manifest_is_refused(data, tmp_path):
    path = tmp_path / "manifest"
    path.write_bytes(data)
    with path.open("rb") as manifest, pytest.raises(SpecError):
        list(read_named(manifest))
    with pytest.raises(SpecError):
        split_manifest(data)


@pytest.mark.parametrize(
    "data",
    [
        of_entries(Entry(b"../x", Directory(0o755))),
        of_entries(Entry(b"a/../../x", Directory(0o755))),
        of_entries(Entry(b"/x", Directory(0o755))),
        of_entries(Entry(b"a", Symlink(b"/etc")), Entry(b"a/passwd", file(1, 0))),
        of_entries(Entry(b"a", Directory(0o755)), Entry(b"a", Symlink(b"/etc"))),
        of_entries(Entry(b"b", Directory(0o755)), Entry(b"a", Directory(0o755))),
        of_entries(Entry(b"a\0b", Directory(0o755))),
        of_entries(Entry(b"a" * 256, Directory(0o755))),
        of_entries(Entry(b"a", Symlink(b"x" * 5000))),
        of_entries(Entry(b"a", HardLink(b"../../etc/passwd"))),
        of_entries(Entry(b"a", HardLink(b"b")), Entry(b"b", Symlink(b"/etc/passwd"))),
        artifact(b"\x92\x01\x91\x92\xc4\x01a\x95\xa1f\xcd\x0f\xff\x00\x00\xa1x"),
        of_entries(Entry(b"a", file(1, 0)), Entry(b"a/b", file(1, 0))),
    ],
    ids=[
        *("above", "far above", "absolute", "below a symlink", "twice", "out of order", "null byte", "long name"),
        *("long target", "link outside", "link to a symlink", "setuid file", "below a file"),
    ],
)
def test_a_tree_that_would_leave_its_directory_or_contradicts_itself_is_refused(data):
    with pytest.raises(SpecError):
        decode(data)


def test_paths_that_differ_in_case_are_two():
    data = of_entries(Entry(b"A", Directory(0o755)), Entry(b"a", Directory(0o755)))
    assert len(decode(data).manifest.entries) == 2


MANIFEST = make_manifest({b"a": file(1), b"b": file(2, PACKED)}).encode()


@pytest.mark.parametrize(
    ("named", "packs"),
    [
        ((), ()),
        ((digest(9),), (1,)),
        ((digest(9), digest(2)), (2,)),
        ((digest(9), digest(2), digest(3)), (1,)),
        ((digest(9), digest(3)), (1,)),
        ((digest(9),), (1, 1)),
    ],
    ids=["nothing named", "file not named", "pack too large", "one too many", "another", "more packs than names"],
)
def test_what_is_named_must_be_what_is_needed(named, packs):
    assert decode(artifact(MANIFEST, (digest(9), digest(2)), (1,))).named == (digest(9), digest(2))
    with pytest.raises(SpecError):
        decode(artifact(MANIFEST, named, packs))


def test_the_same_artifact_has_one_size():
    manifest = make_manifest({b"a": file(1, 2000), b"b": File(0o644, 0, 3000, digest(1))}).encode()
    with pytest.raises(SpecError, match="several sizes"):
        decode(artifact(manifest, (digest(1),)))


def test_a_pack_that_no_memory_should_hold_is_refused():
    manifest = make_manifest({b"a": file(1, 1 << 40)}).encode()
    with pytest.raises(SpecError, match="pack of"):
        decode(artifact(manifest, (digest(9),), (1,), packed=1 << 41))


def test_bombs_are_refused_before_they_go_off(monkeypatch):
    monkeypatch.setattr(trees, "LARGEST_TREE", 1 << 20)
    with pytest.raises(SpecError, match="larger than"):
        decode(join_manifest((), zstd.compress(b"\0" * (8 << 20))))
    # an array that says it has 2^32 - 1 entries, as many as there are bytes, or as many as may be
    for count in (0xFFFFFFFF, layer.MAX_ENTRIES + 1):
        with pytest.raises(SpecError):
            decode(artifact(b"\x92\x01\xdd" + count.to_bytes(4, "big") + b"\x92\xc4\x01a\x91\xa1w" * 100))


@pytest.mark.parametrize(
    "rest", [b"", b"x", zstd.compress(b"\xc1"), zstd.compress(b"\x90"), zstd.compress(b"\x90") + b"x"]
)
def test_garbage_is_refused(rest):
    with pytest.raises(SpecError):
        decode(join_manifest((), rest))


def test_another_version_is_refused():
    with pytest.raises(SpecError, match="version 2"):
        decode(artifact(MANIFEST, version=2))
