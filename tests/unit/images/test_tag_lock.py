"""The tag lock: its text, and writing it by several at once (IM8, IM12, IM13)."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.images.tag_lock import FILE_NAME, parse_tags, read_tags, render_tags, write_tag
from maelstrom_core.errors import ConfigError, InfrastructureError
from maelstrom_core.toml_file import load_toml

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


def test_im8_text_of_one_image(tmp_path):
    write_tag(tmp_path, "foo", "latest", DIGEST)
    assert (tmp_path / FILE_NAME).read_text() == f'version = 1\n\n[foo]\nlatest = "{DIGEST}"\n'
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_im12_sorted_by_name_and_tag_whatever_the_order_of_writing(tmp_path):
    for name, tag in (("foo", "b"), ("bar", "1"), ("foo", "a")):
        write_tag(tmp_path, name, tag, DIGEST)
    text = (tmp_path / FILE_NAME).read_text()
    assert text == render_tags({"bar": {"1": DIGEST}, "foo": {"a": DIGEST, "b": DIGEST}})
    assert text.index("[bar]") < text.index("[foo]")
    assert text.index("a = ") < text.index("b = ")


def test_im13_names_with_a_host_are_quoted(tmp_path):
    write_tag(tmp_path, "localhost:80/busybox", "1.2", DIGEST)
    assert f'["localhost:80/busybox"]\n"1.2" = "{DIGEST}"\n' in (tmp_path / FILE_NAME).read_text()
    assert read_tags(tmp_path) == {"localhost:80/busybox": {"1.2": DIGEST}}


def test_a_tag_may_come_to_mean_something_else(tmp_path):
    write_tag(tmp_path, "foo", "latest", DIGEST)
    write_tag(tmp_path, "foo", "latest", OTHER)
    assert read_tags(tmp_path) == {"foo": {"latest": OTHER}}


def test_nothing_is_known_without_a_file(tmp_path):
    assert read_tags(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 2", "has the version 2, not 1"),
        ("", "has the version None"),
        ("version = 1\nfoo = 3", "`foo` is no table"),
        ('version = 1\n[foo]\nlatest = "sha256:00"', "no digest for the tag `latest`"),
        ("version = 1\n[foo]\nlatest = 3", "no digest for the tag `latest`"),
        ("version", f"{FILE_NAME}:1:"),
    ],
)
def test_what_cannot_be_understood_is_an_error_and_stays(tmp_path, text, message):
    """The original takes it for empty, and so overwrites it."""
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ConfigError, match=message):
        write_tag(tmp_path, "foo", "latest", DIGEST)
    assert (tmp_path / FILE_NAME).read_text() == text


def test_a_directory_that_is_not_there_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(InfrastructureError, match=rf"failed to write .*{FILE_NAME}: No such file") as caught:
        write_tag(tmp_path / "missing", "foo", "latest", DIGEST)
    assert "by its digest" in str(caught.value.hint)


def test_several_may_write_at_once(tmp_path):
    names = [f"image{number}" for number in range(16)]
    threads = [threading.Thread(target=write_tag, args=(tmp_path, name, "latest", DIGEST)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_tags(tmp_path)) == sorted(names)


keys = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda key: key != "version")


@given(st.dictionaries(keys, st.dictionaries(keys, st.just(DIGEST), min_size=1), max_size=3))
def test_what_is_written_is_read_again(tmp_path_factory, tags):
    path = tmp_path_factory.getbasetemp() / "tags"
    path.write_text(render_tags(tags))
    assert parse_tags(load_toml(path), "x") == tags
