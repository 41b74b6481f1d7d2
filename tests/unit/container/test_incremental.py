"""What differs between a layer and what it would be now; which searches can be repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container import incremental
from maelstrom_container.incremental import VERSION, Search, Snapshot, differing
from maelstrom_container.manifest import Directory, File, Symlink
from maelstrom_container.snapshots import KEPT, Snapshots
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import GlobLayer

nodes = st.dictionaries(
    st.sampled_from([b"a", b"b", b"c", b"d"]),
    st.one_of(
        st.builds(Directory, st.sampled_from([0o755, 0o700])),
        st.builds(File, st.just(0o644), st.integers(0, 2), st.just(3), st.just("0" * 64)),
        st.builds(Symlink, st.sampled_from([b"x", b"y"])),
    ),
)


@given(nodes, nodes)
def test_what_differs_put_above_what_was_is_what_is(before, now):
    above = differing(before, now)
    if above is None:
        assert before.keys() - now.keys() or any(
            type(before.get(path, now[path])) is not type(now[path]) for path in now
        )
    else:
        assert before | above == now
        assert all(before.get(path) != node for path, node in above.items())


@pytest.mark.parametrize(
    ("layer", "repeatable"),
    [
        (GlobLayer(glob="**"), True),
        (GlobLayer(glob="src/**/*.py"), True),
        (GlobLayer(glob="src/{a,b}*"), True),
        (GlobLayer(glob="src/**", prepend_prefix="/p"), True),
        (GlobLayer(glob="src/**", strip_prefix="src"), True),
        (GlobLayer(glob="**", strip_prefix="src"), False),  # x and src/x would be the same file
        (GlobLayer(glob="{src,other}/**"), False),
        (GlobLayer(glob="src"), False),
        (GlobLayer(glob="nothing/**"), False),
        (GlobLayer(glob="file/**"), False),
        (GlobLayer(glob="src/**", follow_symlinks=True), False),
        (GlobLayer(glob="src/**", canonicalize=True), False),
    ],
    ids=str,
)
def test_which_searches_can_be_repeated(tmp_path, layer, repeatable):
    (tmp_path / "src").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "file").touch()
    assert (Search.of(layer, str(tmp_path)) is not None) is repeatable


def test_searches_have_different_names(tmp_path):
    (tmp_path / "sub").mkdir()
    layers = [GlobLayer(glob="**"), GlobLayer(glob="*"), GlobLayer(glob="**", prepend_prefix="/p")]
    searches = [Search.of(layer, str(place)) for layer in layers for place in (tmp_path, tmp_path / "sub")]
    assert len({search.key for search in searches}) == len(searches)


def test_a_directory_that_cannot_be_searched_is_named(tmp_path):
    search = Search.of(GlobLayer(glob="**"), str(tmp_path))
    tmp_path.rmdir()
    with pytest.raises(SpecError, match=f"failed to search {tmp_path}"):
        search.scan({})


def test_small_layers_are_not_kept(tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / name).touch()
    search = Search.of(GlobLayer(glob="**"), str(tmp_path))
    found = search.scan({})
    assert not search.is_large(found)
    monkeypatch.setattr(incremental, "FEWEST", 3)
    assert search.is_large(found)
    assert [name for _, name, _ in search.found_in(b"")] == [name for _, name, _ in search.found_in(b"")]


def test_snapshots_come_back_and_whatever_else_is_there_does_not(tmp_path):
    snapshots = Snapshots(tmp_path / "snapshots", Snapshot, VERSION)
    assert snapshots.load("a") is None
    kept = Snapshot(VERSION, "0" * 64, 5, {})
    snapshots.save("a", kept)
    assert snapshots.load("a") == kept
    snapshots.save("old", Snapshot(VERSION + 1, "0" * 64, 5, {}))
    assert snapshots.load("old") is None
    for wrong in (b"", b"\xc1", b"\x94\x01", bytes(1000)):
        (tmp_path / "snapshots" / "a").write_bytes(wrong)
        assert snapshots.load("a") is None


def test_snapshots_are_bounded_in_number(tmp_path):
    snapshots = Snapshots(tmp_path, Snapshot, VERSION)
    for number in range(KEPT + 5):
        snapshots.save(str(number), Snapshot(VERSION, "0" * 64, 5, {}))
    assert len(list(tmp_path.iterdir())) == KEPT


def test_where_snapshots_cannot_be_written_there_are_none(tmp_path):
    (tmp_path / "file").touch()
    snapshots = Snapshots(tmp_path / "file", Snapshot, VERSION)
    snapshots.save("a", Snapshot(VERSION, "0" * 64, 5, {}))
    assert snapshots.load("a") is None
