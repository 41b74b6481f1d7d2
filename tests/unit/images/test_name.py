"""What images are called: behaviours IM1 to IM6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.images.name import LayoutName, RegistryName, is_loopback, parse_name
from maelstrom_core.errors import SpecError

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest"),
    [
        ("docker://foobar", "foobar", None, None),
        ("docker://foo-bar1", "foo-bar1", None, None),
        ("docker://foo_bar2", "foo_bar2", None, None),
        (f"docker://foobar@{DIGEST}", "foobar", None, DIGEST),
        ("docker://foobar:latest", "foobar", "latest", None),
        ("docker://foo.b_ar-2:a1_b.c-d", "foo.b_ar-2", "a1_b.c-d", None),
        (f"docker://foobar:latest@{DIGEST}", "foobar", "latest", DIGEST),
        ("docker://foo/bar", "foo/bar", None, None),
        ("docker://foo/bar/baz", "foo/bar/baz", None, None),
    ],
)
def test_im1_im2_names_of_docker_hub(text, repository, tag, digest):
    name = parse_name(text)
    assert name == RegistryName("docker.io", repository, tag, digest)
    assert name.effective_tag == (tag or "latest")
    assert str(name) == text


@pytest.mark.parametrize(
    ("text", "host", "repository"),
    [
        ("docker://localhost/foo", "localhost", "foo"),
        ("docker://localhost:8080/foo/bar:x", "localhost:8080", "foo/bar"),
        ("docker://foo.com/bar/baz", "foo.com", "bar/baz"),
        ("docker://foo.com:70/bar", "foo.com:70", "bar"),
        ("docker://foo.co.uk/bar", "foo.co.uk", "bar"),
        ("docker://[::1]:5000/bar", "[::1]:5000", "bar"),
        ("docker://127.0.0.1:5000/bar", "127.0.0.1:5000", "bar"),
    ],
)
def test_im3_names_with_a_host(text, host, repository):
    name = parse_name(text)
    assert isinstance(name, RegistryName)
    assert (name.host, name.repository) == (host, repository)
    assert str(name) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "foobar", "docker:foobar", "http://foo", "oci", "oci:", "oci:a:", "oci-archive:", "docker:///x"),
        *("docker://", "docker://foo/", "docker://foo*bar", "docker://foo:", "docker://foo@", "docker://foo.com:/bar"),
        *("docker://foo:bar:baz", "docker://foo@sha256:abc", f"docker://foo@{DIGEST}0", "docker://Foo"),
        *("docker://foo.com:99999/x", "docker://a@b.c/x", "docker://foo//bar", "docker://../x", "docker://x\n"),
        *("docker://" + "a" * 256, "docker://x:" + "a" * 129, "docker://h.com/x?y", "docker://h.com/x#y"),
    ],
)
def test_im4_what_is_no_name(text):
    with pytest.raises(SpecError, match=r"is not the name of an image") as caught:
        parse_name(text)
    assert caught.value.hint


def test_im4_a_name_as_for_other_tools_is_recognised():
    with pytest.raises(SpecError, match=r"did you mean `docker://busybox:1`\?"):
        parse_name("busybox:1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci:path", LayoutName("path")),
        ("oci:path:ref", LayoutName("path", "ref")),
        ("oci:/an/absolute/path:1.2", LayoutName("/an/absolute/path", "1.2")),
        ("oci-archive:path.tar", LayoutName("path.tar", archive=True)),
        ("oci-archive:path.tar:ref", LayoutName("path.tar", "ref", archive=True)),
    ],
)
def test_im5_names_of_layouts(text, expected):
    assert parse_name(text) == expected
    assert str(parse_name(text)) == text


@pytest.mark.parametrize(
    ("text", "address", "path"),
    [
        ("docker://x", "registry-1.docker.io", "library/x"),
        ("docker://docker.io/x", "registry-1.docker.io", "library/x"),
        ("docker://path/x", "registry-1.docker.io", "path/x"),
        ("docker://host.com:123/x", "host.com:123", "x"),
    ],
)
def test_im6_where_names_lead(text, address, path):
    name = parse_name(text)
    assert isinstance(name, RegistryName)
    assert (name.address, name.path) == (address, path)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        *((text, True) for text in ("localhost", "localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:80")),
        *((text, False) for text in ("localhost.evil.com", "127.0.0.1.nip.io", "10.0.0.1", "[::2]", "", "a b")),
    ],
)
def test_what_is_on_this_machine(address, loopback):
    assert is_loopback(address) is loopback


@given(st.one_of(st.text(), st.text(alphabet="docker:/i-achve@.locst[]0123aA_").map("docker://".__add__)))
def test_whatever_is_parsed_is_printed_back(text):
    try:
        name = parse_name(text)
    except SpecError:
        return
    assert str(name) == text
    assert parse_name(str(name)) == name
