"""Layouts in directories and in archives, whole and broken."""

import gzip
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.images.documents import machine_platform
from maelstrom_container.images.layout import LayoutSource
from maelstrom_container.images.name import parse_name
from maelstrom_container.images.source import find_image
from maelstrom_core.errors import UserError
from tests.support.images import Image, layout_files, tar, write_layout

PLATFORM = machine_platform(os.uname().machine)
IMAGE = Image((tar({"a": "x" * 1000}), tar({"b": "2"})), {"Env": ["A=1"]})
FORMS = pytest.mark.parametrize("form", ["oci", "oci-archive"])


@pytest.fixture
def keep(tmp_path):
    """Return a function that keeps the files of a layout in some form, and returns the name of an image of it."""

    def keep(form, files, tag=""):
        path = tmp_path / "layout"
        if form == "oci-archive":
            path.write_bytes(tar(files))
        else:
            for name, data in files.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(data)
        return f"{form}:{path}" + (f":{tag}" if tag else "")

    return keep


def opened(text):
    name = parse_name(text)
    return LayoutSource(name, name.path)


def find(text):
    source = opened(text)
    return find_image(source.index, source.document, PLATFORM, "x"), source


@FORMS
def test_image_and_layers_are_found(keep, form):
    image, source = find(keep(form, layout_files({"1": IMAGE})))
    assert image.settings.environment == {"A": "1"}
    for (descriptor, _), blob in zip(image.layers, IMAGE.layer_blobs, strict=True):
        with source.layer(descriptor) as stream:
            assert stream.read(7) + stream.read(1 << 20) == blob.data
            stream.finish()


@FORMS
def test_tags_choose(keep, form):
    files = layout_files({"1": IMAGE, "2": IMAGE.but(config={"WorkingDir": "/two"})})
    assert find(keep(form, files, "2"))[0].settings.working_directory == "/two"
    with pytest.raises(UserError, match=r"no image with the tag `3`"):
        find(keep(form, files, "3"))


@FORMS
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("oci-layout", None, "no OCI layout: the file oci-layout is missing"),
        ("oci-layout", b"{}", "version that is not supported"),
        ("index.json", None, "is incomplete: index.json is missing"),
        ("index.json", b"{", "index.json of the image .* is malformed"),
        ("index.json", IMAGE.manifest.data, "its index.json is no index"),
        (f"blobs/{IMAGE.manifest.digest.replace(':', '/')}", None, "is incomplete: blobs/sha256/.* is missing"),
        (f"blobs/{IMAGE.config_blob.digest.replace(':', '/')}", b"x", "is damaged: sha256:.* has 1 bytes"),
        (
            f"blobs/{IMAGE.config_blob.digest.replace(':', '/')}",
            IMAGE.config_blob.data.replace(b"A=1", b"A=2"),
            "is damaged: the contents of sha256:.* have the digest",
        ),
    ],
)
def test_what_is_broken_is_named(keep, form, name, data, message):
    files = layout_files({"": IMAGE})
    del files[name]
    with pytest.raises(UserError, match=message):
        find(keep(form, files if data is None else {**files, name: data}))


def layer_of(text, index=0):
    image, source = find(text)
    with source.layer(image.layers[index][0]) as stream:
        stream.finish()


@FORMS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "have the digest"),
        (lambda data: data[:-1], "ends after"),
    ],
)
def test_layers_are_checked_as_they_are_read(keep, form, change, message):
    files = layout_files({"": IMAGE})
    name = f"blobs/{IMAGE.layer_blobs[0].digest.replace(':', '/')}"
    text = keep(form, {**files, name: change(files[name])})
    layer_of(text, 1)
    with pytest.raises(UserError, match=rf"is damaged: .*{message}"):
        layer_of(text)


@pytest.mark.parametrize("cut", [1000, 100])
def test_archive_that_ends_too_early(tmp_path, cut):
    path = tmp_path / "archive"
    path.write_bytes(tar(layout_files({"": IMAGE}))[:cut])
    with pytest.raises(UserError, match=r"damaged|incomplete|no OCI layout"):
        find(f"oci-archive:{path}")


def test_compressed_archive_is_an_error_with_a_way_out(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(tar(layout_files({"": IMAGE}))))
    with pytest.raises(UserError, match=r"is compressed with gzip") as caught:
        find(f"oci-archive:{path}")
    assert caught.value.hint == "decompress it first"


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
def test_what_is_not_there(tmp_path, form):
    with pytest.raises(UserError, match=rf"failed to open the image {form}:.*No such file"):
        find(f"{form}:{tmp_path}/missing")


def test_pipes_in_a_layout_keep_nobody_waiting(tmp_path):
    write_layout(tmp_path / "layout", {"": IMAGE})
    (tmp_path / "layout" / "index.json").unlink()
    os.mkfifo(tmp_path / "layout" / "index.json")
    with pytest.raises(UserError, match=r"index.json is missing"):
        find(f"oci:{tmp_path}/layout")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"no regular file"):
        find(f"oci-archive:{tmp_path}/pipe")


def test_header_of_hostile_size_in_an_archive(tmp_path):
    import tarfile

    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    path = tmp_path / "archive"
    with path.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(2 << 30)
    with pytest.raises(UserError, match=r"excessive size"):
        find(f"oci-archive:{path}")


@given(st.binary(max_size=2000), st.integers(0, 20_000), st.integers(1, 255))
def test_archives_of_any_bytes_are_an_error_of_ours_or_what_they_were(tmp_path_factory, data, place, change):
    path = tmp_path_factory.getbasetemp() / "any-bytes"
    path.write_bytes(data)
    with pytest.raises(UserError):
        find(f"oci-archive:{path}")
    whole = bytearray(tar(layout_files({"": IMAGE})))
    whole[place % len(whole)] ^= change
    path.write_bytes(whole)
    try:
        image, _ = find(f"oci-archive:{path}")
    except UserError:
        return
    assert image.settings.environment == {"A": "1"}


def test_index_of_another_platform_only(keep):
    files = layout_files({"": IMAGE})
    index = json.loads(files["index.json"])
    index["manifests"][0]["platform"] = {"architecture": "s390x", "os": "linux"}
    with pytest.raises(UserError, match=r"no image for linux/.*: it is for `linux/s390x`"):
        find(keep("oci", {**files, "index.json": json.dumps(index).encode()}))
