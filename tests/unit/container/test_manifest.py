"""A layer as data: canonical, validated, and safe to read from anybody."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.manifest import (
    Directory,
    Entry,
    File,
    HardLink,
    Manifest,
    Symlink,
    Whiteout,
    clean_path,
    decode,
    make_manifest,
    show,
)
from maelstrom_core.errors import SpecError

FILE = File(0o644, 1_000_000_007, 3, "a" * 64)
NODES = {
    b"": Directory(0o755),
    b"dir": Directory(0o1777, opaque=True),
    b"dir/file": FILE,
    b"link": Symlink(b"../\xff"),
    b"other": HardLink(b"dir/file"),
    b"gone": Whiteout(),
}


def test_lb24_what_is_written_can_be_read():
    manifest = make_manifest(NODES)
    assert decode(manifest.encode()) == manifest


@given(st.integers(0, 200))
def test_lb24_truncated_manifest_is_an_error(length):
    encoded = make_manifest(NODES).encode()
    with pytest.raises(SpecError):
        decode(encoded[: min(length, len(encoded) - 1)])


def test_other_version_is_an_error_of_its_own():
    with pytest.raises(SpecError, match="version 2"):
        decode(msgspec.msgpack.encode([2, "whatever comes"]))


@given(st.binary(max_size=100))
def test_reading_garbage_is_an_error_or_a_manifest(data):
    with contextlib.suppress(SpecError):
        assert isinstance(decode(data), Manifest)


def test_digest_does_not_depend_on_the_order_of_adding():
    reversed_nodes = dict(reversed(NODES.items()))
    assert make_manifest(reversed_nodes).digest() == make_manifest(NODES).digest()


def test_digest_depends_on_modification_time():
    touched = NODES | {b"dir/file": File(0o644, 1_000_000_008, 3, "a" * 64)}
    assert make_manifest(touched).digest() != make_manifest(NODES).digest()


@pytest.mark.parametrize(
    "nodes",
    [
        {b"file": FILE, b"file/below": FILE},
        {b"link": Symlink(b"x"), b"link/below": FILE},
        {b"": FILE},
        {b"link": HardLink(b"missing")},
        {b"dir": Directory(0o755), b"link": HardLink(b"dir")},
        {b"gone": Whiteout(), b"link": HardLink(b"gone")},
    ],
)
def test_contradictions_are_errors(nodes):
    with pytest.raises(SpecError):
        make_manifest(nodes)


@pytest.mark.parametrize(
    "entries",
    [
        (Entry(b"../x", FILE),),
        (Entry(b"/x", FILE),),
        (Entry(b"x//y", FILE),),
        (Entry(b"b", FILE), Entry(b"a", FILE)),
        (Entry(b"a", FILE), Entry(b"a", FILE)),
        (Entry(b"a", Symlink(b"")),),
        (Entry(b"a", File(0o4755, 0, 0, "a" * 64)),),
        (Entry(b"a", File(0o755, 0, -1, "a" * 64)),),
        (Entry(b"a", File(0o755, 0, 0, "../" + "a" * 61)),),
    ],
)
def test_hostile_manifests_are_refused(entries):
    with pytest.raises(SpecError):
        decode(Manifest(entries).encode())


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b"/", b".", b"a", b"\n", b"\0"]), max_size=40).map(b"".join))
def test_clean_paths_stay_clean_and_below(path):
    try:
        cleaned = clean_path(path)
    except SpecError:
        assert b"\0" in path or b".." in path or len(path) > 255
        return
    assert clean_path(cleaned) == cleaned
    assert cleaned == b"/".join(each for each in path.split(b"/") if each not in {b"", b"."})
    assert b"\0" not in cleaned
    assert not cleaned.startswith(b"/")
    assert b".." not in cleaned.split(b"/")


@pytest.mark.parametrize(
    "path", [b"a/../b", b"..", b"a\0b", b"x" * 256, b"/".join([b"d"] * 129), b"/".join([b"d" * 200] * 30)]
)
def test_paths_that_cannot_be_are_refused(path):
    with pytest.raises(SpecError):
        clean_path(path)


def test_paths_in_messages_are_bounded_and_printable():
    shown = show(b"\x1b[31m\xff" + b"x" * 1000)
    assert shown.isprintable()
    assert len(shown) <= 200
