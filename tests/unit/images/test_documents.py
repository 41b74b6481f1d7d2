"""Indexes, manifests and configurations: what they say, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.images import documents
from maelstrom_container.images.documents import (
    Descriptor,
    Index,
    Manifest,
    Platform,
    choose_platform,
    choose_tag,
    machine_platform,
    parse_document,
    parse_image,
)
from maelstrom_container.images.source import check_document, check_size, find_image
from maelstrom_core.errors import SpecError, UserError
from tests.support.images import Blob, Image, index_of, tar

AMD64 = Platform("amd64", "linux")
IMAGE = Image((tar({"a": "1"}), tar({"b": "2"})), {"Env": ["A=1=2", "B="]}, architecture="amd64")


def entry(architecture=None, os="linux", variant="", media_type=documents.OCI_MANIFEST, tag=""):
    platform = Platform(architecture, os, variant) if architecture else None
    notes = {documents.REFERENCE_NAME: tag} if tag else None
    return Descriptor("sha256:" + "0" * 64, 1, media_type, platform, notes)


def parsed(document, media_type=""):
    return parse_document(json.dumps(document).encode(), media_type, "the image x")


@pytest.mark.parametrize("docker", [False, True])
def test_docker_and_oci_say_the_same(docker):
    image = IMAGE.but(docker=docker)
    manifest = parse_document(image.manifest.data, "", "the image x")
    assert isinstance(manifest, Manifest)
    assert [layer.digest for layer in manifest.layers] == [blob.digest for blob in image.layer_blobs]
    index = parse_document(index_of(image, docker=docker).data, "", "the image x")
    assert isinstance(index, Index)
    assert index.manifests[0].platform == AMD64


def test_a_document_without_a_type_is_what_it_is_said_to_be_or_looks_like():
    document = json.loads(IMAGE.manifest.data)
    del document["mediaType"]
    assert isinstance(parsed(document), Manifest)
    assert isinstance(parsed(document, f"{documents.DOCKER_MANIFEST}; charset=utf-8"), Manifest)
    assert isinstance(parsed({"manifests": []}), Index)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mediaType": "text/html"}, "media type `text/html`, which is not supported"),
        ({"mediaType": "", "schemaVersion": 1}, "Docker's first format"),
        ({"config": {"mediaType": "application/x", "digest": "sha256:" + "0" * 64, "size": 1}}, "no container image"),
        ({"layers": [{"mediaType": "a\x1b[31m", "digest": "sha256:" + "0" * 64, "size": 1}]}, r"type `a\?\[31m`"),
        ({"layers": [entry_ := {"mediaType": f"{documents.OCI_MANIFEST}", "digest": "md5:0", "size": 1}]}, "layer of"),
        ({"layers": [{"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": -1}]}, "malformed"),
        ({"layers": 7}, "malformed"),
    ],
)
def test_what_is_no_manifest_of_an_image(change, message):
    with pytest.raises(UserError, match=message) as caught:
        parsed({**json.loads(IMAGE.manifest.data), **change})
    assert caught.value.message.startswith("the image x")


def test_digests_must_be_such_that_can_be_checked():
    document = json.loads(IMAGE.manifest.data)
    document["layers"][0]["digest"] = "sha256:../../etc/passwd"
    with pytest.raises(SpecError, match=r"no digest that can be checked"):
        parsed(document)


def test_the_number_of_layers_is_bounded():
    document = json.loads(IMAGE.manifest.data)
    document["layers"] *= 200
    with pytest.raises(SpecError, match=r"400 layers, more than 256"):
        parsed(document)


def test_the_platform_of_this_machine_is_chosen():
    index = Index((entry("arm64", variant="v8"), entry("amd64", "windows"), wanted := entry("amd64")))
    assert choose_platform(index, AMD64, "x") is wanted
    assert choose_platform(index, Platform("arm64", "linux"), "x").platform == Platform("arm64", "linux", "v8")


def test_what_only_newer_processors_run_is_not_chosen():
    index = Index((entry("amd64", variant="v3"), plain := entry("amd64", variant="v1")))
    assert choose_platform(index, AMD64, "x") is plain


def test_attestations_beside_an_image_are_not_in_the_way():
    index = Index((entry("unknown", "unknown"), wanted := entry("amd64"), entry(media_type="application/x")))
    assert choose_platform(index, AMD64, "x") is wanted


def test_an_only_image_without_platform_is_chosen():
    assert choose_platform(Index((only := entry(),)), AMD64, "x") is only


def test_no_image_for_this_platform_names_those_that_there_are():
    with pytest.raises(UserError, match=r"x has no image for linux/amd64: it is for `linux/arm64/v8`, `linux/s390x`"):
        choose_platform(Index((entry("s390x"), entry("arm64", variant="v8"))), AMD64, "x")


def test_configuration_for_another_platform_is_refused():
    manifest = parse_document(IMAGE.manifest.data, "", "x")
    with pytest.raises(UserError, match=r"no image for linux/arm64: it is for `linux/amd64`"):
        parse_image(manifest, IMAGE.config_blob.data, Platform("arm64", "linux"), "x")


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_machines_have_names_of_their_own_among_images(machine, expected):
    assert machine_platform(machine) == Platform(expected, "linux")


def test_tags_of_a_layout():
    index = Index((one := entry(tag="1"), two := entry(tag="2")))
    assert choose_tag(index, "2", "x").manifests == (two,)
    assert choose_tag(Index((one,)), None, "x").manifests == (one,)
    with pytest.raises(UserError, match=r"several images: `1`, `2`"):
        choose_tag(index, None, "x")
    with pytest.raises(UserError, match=r"no image with the tag `3`") as caught:
        choose_tag(index, "3", "x")
    assert caught.value.hint == "there are `1`, `2`"


def config(**fields):
    return Image((), fields, architecture="amd64")


def settings_of(image):
    return parse_image(parse_document(image.manifest.data, "", "x"), image.config_blob.data, AMD64, "x").settings


def test_im15_settings():
    settings = settings_of(config(Env=["A=1=2", "B="], WorkingDir="/w", User="u:g", Cmd=["sh"], Entrypoint=None))
    assert settings == documents.Settings({"A": "1=2", "B": ""}, "/w", "u:g", ("sh",))
    assert settings_of(config()) == documents.Settings({}, "/", "")
    assert settings_of(config(Env=None, WorkingDir="w", User=None)) == documents.Settings({}, "/w", "")


@pytest.mark.parametrize("variable", ["A", "=1", "A=\0"])
def test_im15_variable_that_is_none_is_an_error_that_names_it(variable):
    with pytest.raises(SpecError, match=r"environment of x"):
        settings_of(config(Env=[variable]))


def test_contents_of_all_layers_must_be_named():
    manifest = parse_document(IMAGE.manifest.data, "", "x")
    with pytest.raises(SpecError, match=r"does not name the contents of its 2 layers"):
        parse_image(manifest, config().config_blob.data, AMD64, "x")


def test_an_image_is_found_through_indexes_but_not_through_endless_ones():
    inner = index_of(IMAGE)
    blobs = {blob.digest: blob for blob in (inner, IMAGE.manifest, IMAGE.config_blob)}
    outer = Index((entry(media_type=documents.OCI_INDEX),))
    image = find_image(outer, lambda d: (blobs.get(d.digest) or inner).data, AMD64, "x")
    assert [contents for _, contents in image.layers] == [Blob(layer, "").digest for layer in IMAGE.layers]
    endless = json.dumps({"manifests": [{"mediaType": documents.OCI_INDEX, "digest": inner.digest, "size": 1}]})
    with pytest.raises(SpecError, match=r"indexes within each other"):
        find_image(outer, lambda _: endless.encode(), AMD64, "x")


def test_documents_are_checked_before_they_are_parsed():
    good = Descriptor(IMAGE.manifest.digest, len(IMAGE.manifest.data))
    assert check_document(IMAGE.manifest.data, good, SpecError) == IMAGE.manifest.data
    with pytest.raises(SpecError, match=r"have the digest"):
        check_document(IMAGE.manifest.data.replace(b"2", b"3"), good, SpecError)
    with pytest.raises(SpecError, match=r"bytes, not"):
        check_document(IMAGE.manifest.data + b" ", good, SpecError)
    with pytest.raises(SpecError, match=r"a document of 5000000 bytes"):
        check_size(Descriptor(good.digest, 5_000_000), "x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["manifests", "config", "layers", "mediaType", "digest", "size", "platform", "rootfs", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from(["", documents.OCI_INDEX, documents.DOCKER_MANIFEST]))
def test_whatever_a_registry_says_is_an_answer_or_an_error_of_ours(value, media_type):
    try:
        document = parsed(value, media_type)
    except UserError:
        return
    assert isinstance(document, Index | Manifest)


@given(st.binary())
def test_bytes_of_any_kind_are_an_error_of_ours(data):
    with pytest.raises(UserError):
        parse_document(data, documents.OCI_MANIFEST, "x")
