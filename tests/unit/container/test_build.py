"""From layers as written to layers as data: behaviours LB1 to LB20 and LB23."""

import os
import stat

import pytest
from blake3 import blake3

from maelstrom_container.build import STUB_TIME, build
from maelstrom_container.digest_cache import DigestCache
from maelstrom_container.manifest import Directory, File, Symlink
from maelstrom_core import spec
from maelstrom_core.errors import SpecError


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "x").write_bytes(b"hello world")
    (root / "x").chmod(0o640)
    (root / "bar").mkdir()
    (root / "bar" / "x").write_bytes(b"in")
    return root


def nodes(layer, project):
    with DigestCache(None) as digests:
        built = build(layer, str(project), digests)
    return {os.fsdecode(entry.path): entry.node for entry in built.manifest.entries}


def paths(*names, **options):
    return spec.PathsLayer(paths=tuple(str(name) for name in names), **options)


def below_root(path):
    return str(path).lstrip("/")


def test_lb1_absolute_file_keeps_its_full_path_and_its_data_are_named_by_digest(project):
    found = nodes(paths(project / "x"), project)
    mtime = (project / "x").stat().st_mtime_ns
    assert found == {below_root(project / "x"): File(0o640, mtime, 11, blake3(b"hello world").hexdigest())}


def test_lb2_small_files_are_named_by_digest_too(project):
    assert nodes(paths("bar/x"), project)["bar/x"].digest == blake3(b"in").hexdigest()


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        pytest.param("{project}/x", {"strip_prefix": "{project}", "prepend_prefix": "foo/"}, "foo/x", id="lb3"),
        pytest.param("bar/x", {"strip_prefix": "bar", "prepend_prefix": "foo/"}, "foo/x", id="lb4"),
        pytest.param("{project}/x", {"strip_prefix": "/elsewhere"}, "{project}/x", id="lb5-absolute"),
        pytest.param("bar/x", {"strip_prefix": "ba"}, "bar/x", id="lb5-relative"),
        pytest.param("{project}/x", {"prepend_prefix": "foo/bar"}, "foo/bar{project}/x", id="lb6"),
        pytest.param("x", {"prepend_prefix": "foo/bar"}, "foo/bar/x", id="lb7"),
        pytest.param("x", {"canonicalize": True}, "{project}/x", id="lb8-relative"),
        pytest.param("{project}/x", {"canonicalize": True}, "{project}/x", id="lb8-absolute"),
        pytest.param("bar/../x", {"canonicalize": True, "strip_prefix": "{project}"}, "x", id="order"),
    ],
)
def test_lb3_to_lb8_prefix_options(project, path, options, expected):
    real = os.path.realpath(project)

    def fill(value):
        return value.replace("{project}", real) if isinstance(value, str) else value

    found = nodes(paths(fill(path), **{name: fill(value) for name, value in options.items()}), project)
    assert list(found) == [below_root(fill(expected))]


def test_lb9_glob_takes_what_matches(project):
    (project / "foo.txt").write_text("x")
    (project / "bar.bin").write_text("x")
    assert list(nodes(spec.GlobLayer(glob="*.txt"), project)) == ["foo.txt"]


def test_lb10_prefix_options_apply_to_the_relative_paths_of_a_glob(project):
    (project / "foo.txt").write_text("x")
    stripped = spec.GlobLayer(glob="*.txt", strip_prefix=str(project))
    assert list(nodes(stripped, project)) == ["foo.txt"]
    assert list(nodes(spec.GlobLayer(glob="*.txt", prepend_prefix="foo/bar"), project)) == ["foo/bar/foo.txt"]


def test_lb12_no_match_is_an_empty_layer(project):
    assert nodes(spec.GlobLayer(glob="nothing*"), project) == {}


STUB = File(0o444, STUB_TIME, 0, blake3(b"").hexdigest())
STUB_DIRECTORY = Directory(0o555)


@pytest.mark.parametrize(
    ("stub", "expected"),
    [
        pytest.param("/foo", {"foo": STUB}, id="lb13"),
        pytest.param("/foo/{bar,baz}", {"foo/bar": STUB, "foo/baz": STUB}, id="lb14"),
        pytest.param("/foo/{bar,baz,}", {"foo": STUB_DIRECTORY, "foo/bar": STUB, "foo/baz": STUB}, id="lb15"),
        pytest.param("/foo/", {"foo": STUB_DIRECTORY}, id="lb16"),
        pytest.param("/foo/{bar,baz}/", {"foo/bar": STUB_DIRECTORY, "foo/baz": STUB_DIRECTORY}, id="lb17"),
    ],
)
def test_lb13_to_lb17_stubs(project, stub, expected):
    assert nodes(spec.StubsLayer((stub,)), project) == expected


def test_lb18_symlink(project):
    assert nodes(spec.SymlinksLayer((spec.Symlink("/foo", "/bar"),)), project) == {"foo": Symlink(b"/bar")}


def test_lb20_tar_is_named_by_the_digest_of_the_file(project):
    (project / "layer.tar").write_bytes(b"anything")
    with DigestCache(None) as digests:
        assert build(spec.TarLayer("layer.tar"), str(project), digests).digest == blake3(b"anything").hexdigest()


def test_lb23_directories_are_empty_entries(project):
    assert nodes(paths("bar"), project) == {"bar": Directory(stat.S_IMODE((project / "bar").stat().st_mode))}


def test_lb23_symlinks_are_kept_or_followed(project):
    (project / "link").symlink_to("x")
    assert nodes(paths("link"), project) == {"link": Symlink(b"x")}
    followed = nodes(paths("link", follow_symlinks=True), project)
    assert followed["link"].digest == blake3(b"hello world").hexdigest()


def test_setuid_bits_are_dropped(project):
    (project / "x").chmod(0o4755)
    assert nodes(paths("x"), project)["x"].mode == 0o755


def test_the_same_file_twice_is_fine_two_different_ones_are_not(project):
    assert list(nodes(paths("x", "./x"), project)) == ["x"]
    with pytest.raises(SpecError, match="more than once"):
        nodes(paths("x", "bar/x", strip_prefix="bar"), project)


@pytest.mark.parametrize("path", ["missing", "pipe", "bar/../../outside", "x/below"])
def test_paths_that_cannot_be_added_are_the_users_errors(project, path):
    os.mkfifo(project / "pipe")
    (project.parent / "outside").write_text("x")
    with pytest.raises(SpecError):
        nodes(paths(path), project)


@pytest.mark.parametrize("stub", ["/a/../b", "", "/{1..200000}"])
def test_stubs_that_cannot_be_are_the_users_errors(project, stub):
    with pytest.raises(SpecError):
        nodes(spec.StubsLayer((stub,)), project)


@pytest.mark.parametrize("symlink", [spec.Symlink("/a", ""), spec.Symlink("/", "x"), spec.Symlink("/a", "x\0y")])
def test_symlinks_that_cannot_be_are_the_users_errors(project, symlink):
    with pytest.raises(SpecError):
        nodes(spec.SymlinksLayer((symlink,)), project)
