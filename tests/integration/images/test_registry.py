"""Images of a real registry, which may fail in between, or ask who we are."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from maelstrom_container.images.tag_lock import FILE_NAME
from maelstrom_core.errors import InfrastructureError, UserError
from maelstrom_core.spec import Reference, Use
from maelstrom_core.spec_parse import IMAGE_USES
from tests.support.images import ARCHITECTURE, Blob, Image, index_of, tar
from tests.support.programs import IMPORT_ROOTS
from tests.support.registry import (
    PASSWORD,
    USER,
    Reply,
    basic,
    between,
    push,
    push_blob,
    push_manifest,
    serving_tokens,
)

NOISE = random.Random(1).randbytes(3_000_000)  # does not compress, and is the same in all test processes
IMAGE = Image((tar({"a": "1", "noise": NOISE}), tar({"b": "2"}), tar({"c": "3"})), {"Env": ["A=1"], "User": "7:8"})


@pytest.fixture
def repository(registry: str, request: pytest.FixtureRequest) -> str:
    """Put IMAGE into the registry; return the name of its repository, which is the test's own."""
    name = f"test/{abs(hash(request.node.nodeid)):x}"
    push(registry, name, IMAGE)
    return name


def whole(address: str, repository: str, ending: str = "") -> Reference:
    return Reference(f"docker://{address}/{repository}{ending}", IMAGE_USES)


def contents(realised) -> list[list[str]]:
    return [sorted(path.name for path in Path(layer.path).iterdir()) for layer in realised.layers]


AS_PUSHED = [["a", "noise"], ["b"], ["c"]]


def tag_lock(tmp_path: Path) -> str:
    return (tmp_path / "project" / FILE_NAME).read_text()


# what it is like when all is well


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_anonymous_download(registry, images, tmp_path, docker, compression):
    image = IMAGE.but(docker=docker, compression=compression)
    name = f"anonymous/{compression or 'none'}-{docker}".lower()
    push(registry, name, image, "1.0")
    with images() as store:
        realised = store.realise(whole(registry, name, ":1.0"))
        assert contents(realised) == AS_PUSHED
        assert (Path(realised.layers[0].path) / "noise").read_bytes() == NOISE
        assert realised.environment == {"A": "1"}
    assert tag_lock(tmp_path) == f'version = 1\n\n["{registry}/{name}"]\n"1.0" = "{image.manifest.digest}"\n'


@pytest.mark.parametrize("docker", [False, True])
def test_this_machine_is_chosen_from_an_index(registry, images, tmp_path, docker):
    name = f"indexes/{docker}".lower()
    ours = IMAGE.but(docker=docker)
    other = ours.but(architecture="s390x", config={"Env": ["A=other"]})
    for image in (ours, other):
        push(registry, name, image, image.architecture)
    index = index_of(other, ours, docker=docker)
    push_manifest(registry, name, index, "latest")
    with images() as store:
        assert store.realise(whole(registry, name)).environment == {"A": "1"}
    assert index.digest in tag_lock(tmp_path)


def test_im9_what_was_downloaded_needs_no_network(registry, repository, images):
    with between(registry) as proxy:
        reference = whole(proxy.address, repository)
        with images() as store:
            first = contents(store.realise(reference))
        asked = len(proxy.requests)
        with images() as store:
            assert contents(store.realise(reference)) == first
        assert len(proxy.requests) == asked
        assert len(proxy.asked_for("/blobs/")) == 4
        assert all("/manifests/" in each.path or "/blobs/" in each.path for each in proxy.requests)


def test_an_image_is_looked_for_once_for_all_who_want_it_at_once(registry, repository, images):
    with between(registry) as proxy, images() as store:
        results: list[object] = []
        threads = [
            threading.Thread(target=lambda: results.append(store.realise(whole(proxy.address, repository))))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 8
        assert len(proxy.requests) == 1 + 4


def test_im10_what_has_gone_from_the_cache_is_downloaded_again_and_nothing_else(registry, repository, images, tmp_path):
    with between(registry) as proxy:
        reference = whole(proxy.address, repository)
        with images() as store:
            first = store.realise(reference)
        gone = Path(first.layers[1].path)
        (gone / "b").unlink()
        gone.rmdir()
        gone.with_name(f"{gone.name}.size").unlink()
        proxy.requests.clear()
        with images() as store:
            assert contents(store.realise(reference)) == AS_PUSHED
        assert [request.path.rpartition("/")[2] for request in proxy.requests] == [IMAGE.layer_blobs[1].digest]


def test_only_what_is_used_is_downloaded(registry, repository, images):
    with between(registry) as proxy, images() as store:
        settings = store.realise(Reference(f"docker://{proxy.address}/{repository}", frozenset({Use.ENVIRONMENT})))
        assert settings.environment == {"A": "1"}
        assert settings.layers == ()
        assert len(proxy.asked_for("/blobs/")) == 1


def test_user_of_an_image(registry, repository, images):
    use = frozenset({Use.LAYERS, Use.USER, Use.GROUP})
    with images() as store:
        realised = store.realise(Reference(f"docker://{registry}/{repository}", use))
    assert (realised.user, realised.group) == (7, 8)


# tags and digests


def test_im11_a_tag_means_what_it_meant_until_it_is_looked_up_anew(registry, repository, images, tmp_path):
    reference = whole(registry, repository)
    with images() as store:
        store.realise(reference)
    moved = IMAGE.but(config={"Env": ["A=2"]})
    push(registry, repository, moved)
    with images() as store:
        assert store.realise(reference).environment == {"A": "1"}
    with images(update=True) as store:
        assert store.realise(reference).environment == {"A": "2"}
    assert moved.manifest.digest in tag_lock(tmp_path)
    assert IMAGE.manifest.digest not in tag_lock(tmp_path)
    with images() as store:
        assert store.realise(reference).environment == {"A": "2"}


def test_im12_a_tag_lock_that_was_removed_is_made_again_without_downloads(registry, repository, images, tmp_path):
    with between(registry) as proxy:
        reference = whole(proxy.address, repository)
        with images() as store:
            store.realise(reference)
        before = tag_lock(tmp_path)
        (tmp_path / "project" / FILE_NAME).unlink()
        proxy.requests.clear()
        with images() as store:
            store.realise(reference)
        assert tag_lock(tmp_path) == before
        assert not [each for each in proxy.requests if IMAGE.config_blob.digest not in each.path][1:]


def test_a_digest_goes_before_the_tag_and_is_not_noted(registry, repository, images, tmp_path):
    push(registry, repository, IMAGE.but(config={"Env": ["A=2"]}), "other")
    with images() as store:
        realised = store.realise(whole(registry, repository, f":other@{IMAGE.manifest.digest}"))
    assert realised.environment == {"A": "1"}
    assert not (tmp_path / "project" / FILE_NAME).exists()


# who we are


@pytest.fixture
def log_in(home):
    def log_in(address: str, user: str = USER, password: str = PASSWORD) -> None:
        auth = basic(user, password).removeprefix("Basic ")
        (home / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))

    return log_in


def test_basic_authentication(place, repository, images, log_in):
    with place.registry(auth=place.basic()) as address:
        log_in(address)
        with images() as store:
            assert contents(store.realise(whole(address, repository))) == AS_PUSHED


def test_basic_authentication_by_a_helper(place, repository, images, home, monkeypatch):
    helper = home / "docker-credential-mine"
    helper.write_text(f'#!/bin/sh\ncat > "{home}/asked"\nprintf \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")
    with place.registry(auth=place.basic()) as address:
        (home / "config.json").write_text(json.dumps({"credHelpers": {address: "mine"}}))
        with images() as store:
            assert contents(store.realise(whole(address, repository))) == AS_PUSHED
        assert (home / "asked").read_text() == address


def test_without_credentials_and_with_wrong_ones(place, repository, images, log_in):
    with place.registry(auth=place.basic()) as address, images() as store:
        with pytest.raises(UserError, match=f"the registry {address} wants to know who asks") as caught:
            store.realise(whole(address, repository))
        assert f"docker login {address}" in str(caught.value.hint)
        log_in(address, password="wrong word")
        with pytest.raises(UserError, match=f"does not let `{USER}` read it") as caught:
            store.realise(whole(address, repository))
        assert "wrong word" not in caught.value.render()


@pytest.mark.parametrize("known", [False, True])
def test_bearer_authentication(place, repository, images, log_in, known):
    def grant(request):
        return request.headers.get("Authorization") == (basic(USER, PASSWORD) if known else None)

    with serving_tokens(place, grant) as (realm, asked), place.registry(auth=place.bearer(realm)) as address:
        if known:
            log_in(address)
        with images() as store:
            assert contents(store.realise(whole(address, repository))) == AS_PUSHED
        assert len(asked) == 1  # one token does for all


def test_bearer_authentication_that_is_refused(place, repository, images):
    with (
        serving_tokens(place, lambda _: False) as (realm, _),
        place.registry(auth=place.bearer(realm)) as address,
        images() as store,
        pytest.raises(UserError, match="wants to know who asks, or there is no such image"),
    ):
        store.realise(whole(address, repository))


def test_credentials_are_not_sent_on_to_another_server(place, registry, repository, images, log_in):
    """Registries send those who ask for layers on to stores of others."""
    with ExitStack() as stack:
        real = stack.enter_context(place.registry(auth=place.basic()))
        elsewhere = stack.enter_context(between(registry))

        def send_on(request, reply):
            if "/blobs/" not in request.path:
                return reply
            return Reply(307, {"Location": f"http://{elsewhere.address}{request.path}", "Content-Length": "0"}, b"")

        proxy = stack.enter_context(between(real, send_on))
        log_in(proxy.address)
        store = stack.enter_context(images())
        assert contents(store.realise(whole(proxy.address, repository))) == AS_PUSHED
        assert "Authorization" in proxy.requests[-1].headers
        assert len(elsewhere.requests) == 4
        assert all("Authorization" not in request.headers for request in elsewhere.requests)


def test_nobody_is_sent_on_to_a_server_without_tls_elsewhere(registry, repository, images):
    def send_on(request, reply):
        return Reply(307, {"Location": "http://192.0.2.1/x", "Content-Length": "0"}, b"")

    with (
        between(registry, send_on) as proxy,
        images() as store,
        pytest.raises(InfrastructureError, match=r"sends us on to http://192\.0\.2\.1/x, which is no address with TLS"),
    ):
        store.realise(whole(proxy.address, repository))


# TLS


def test_im13_certificate_that_nobody_signed(place, repository, images, tmp_path):
    with place.registry(tls=True) as address:
        with images() as store, pytest.raises(InfrastructureError, match="its certificate is not valid") as caught:
            store.realise(whole(address, repository))
        assert "--accept-invalid-remote-container-tls-certs" in str(caught.value.hint)
        with images(check_certificates=False) as store:
            assert contents(store.realise(whole(address, repository))) == AS_PUSHED
        assert f'["{address}/{repository}"]' in tag_lock(tmp_path)


def test_certificate_that_this_machine_trusts(place, repository, images, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(place.certificate[0]))
    with place.registry(tls=True) as address, images() as store:
        assert contents(store.realise(whole(address, repository))) == AS_PUSHED


# what goes wrong in between


def is_first_layer(request) -> bool:
    return IMAGE.layer_blobs[0].digest in request.path


def test_a_download_that_breaks_off_is_taken_up_where_it_broke(registry, repository, images):
    def cut(request, reply):
        if is_first_layer(request):
            reply.send = 1_100_000
        return reply

    with between(registry, cut) as proxy, images() as store:
        realised = store.realise(whole(proxy.address, repository))
        assert (Path(realised.layers[0].path) / "noise").read_bytes() == NOISE
        ranges = [request.headers.get("Range") for request in proxy.requests if is_first_layer(request)]
        assert ranges == [None, "bytes=1100000-", "bytes=2200000-"]


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(registry, repository, images):
    cuts = [1_100_000, 2_000_000]

    def cut(request, reply):
        if is_first_layer(request) and cuts:
            reply.send = cuts.pop(0)
        return reply

    with between(registry, cut, strip=("Range",)) as proxy, images() as store:
        realised = store.realise(whole(proxy.address, repository))
        assert (Path(realised.layers[0].path) / "noise").read_bytes() == NOISE


def test_a_download_that_never_comes_to_its_end_is_given_up(registry, repository, images, tmp_path, monkeypatch):
    monkeypatch.setattr("maelstrom_container.images.registry._PAUSE", 0)

    def cut(request, reply):
        if is_first_layer(request):
            reply.send = 1000
        return reply

    with between(registry, cut) as proxy, images() as store:
        with pytest.raises(InfrastructureError, match=r"breaks off after 6000 of 300.... bytes, again and again"):
            store.realise(whole(proxy.address, repository))
        assert len([request for request in proxy.requests if is_first_layer(request)]) == 6
        assert list((tmp_path / "cache" / "layers" / "tmp").iterdir()) == []


def test_a_document_that_breaks_off_is_not_taken_for_a_wrong_one(registry, repository, images):
    def cut(request, reply):
        reply.send = 10
        return reply

    with (
        between(registry, cut) as proxy,
        images() as store,
        pytest.raises(InfrastructureError, match="10 bytes read"),
    ):
        store.realise(whole(proxy.address, repository))


@pytest.mark.parametrize("part", ["/manifests/", IMAGE.config_blob.digest, IMAGE.layer_blobs[1].digest])
def test_other_bytes_than_those_that_were_asked_for(registry, repository, images, tmp_path, part):
    def falsify(request, reply):
        if part in request.path:
            reply.body = reply.body[:-3] + bytes(byte ^ 1 for byte in reply.body[-3:])
        return reply

    with between(registry, falsify) as proxy:
        with images() as store, pytest.raises(InfrastructureError, match="the digest sha256:") as caught:
            store.realise(whole(proxy.address, repository))
        assert caught.value.message.startswith(f"failed to read the image docker://{proxy.address}/{repository}")
        proxy.rule = lambda _, reply: reply
        with images() as store:
            assert contents(store.realise(whole(proxy.address, repository))) == AS_PUSHED


def test_more_bytes_than_announced_are_not_read(registry, repository, images):
    def lengthen(request, reply):
        if is_first_layer(request):
            reply.body += b"x" * 100_000
            reply.headers["Content-Length"] = str(len(reply.body))
        return reply

    with between(registry, lengthen) as proxy, images() as store:
        assert contents(store.realise(whole(proxy.address, repository))) == AS_PUSHED


def test_a_manifest_without_end_is_not_read_to_its_end(registry, repository, images):
    def lengthen(request, reply):
        if "/manifests/" in request.path:
            reply.body += b" " * 5_000_000
            reply.headers["Content-Length"] = str(len(reply.body))
        return reply

    with (
        between(registry, lengthen) as proxy,
        images() as store,
        pytest.raises(InfrastructureError, match="an answer has more than 4194304 bytes"),
    ):
        store.realise(whole(proxy.address, repository))


def test_a_server_that_is_busy_is_asked_again(registry, repository, images):
    answers = [Reply(503, {"Content-Length": "0"}, b"")] * 2

    with between(registry, lambda _, reply: answers.pop() if answers else reply) as proxy, images() as store:
        assert contents(store.realise(whole(proxy.address, repository))) == AS_PUSHED


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (429, InfrastructureError, "too many requests"),
        (403, UserError, "wants to know who asks"),
        (418, InfrastructureError, "answers with the status 418 when asked for the manifest"),
    ],
)
def test_statuses(registry, repository, images, *, status, kind, message):
    with (
        between(registry, lambda *_: Reply(status, {"Content-Length": "0"}, b"")) as proxy,
        images() as store,
        pytest.raises(kind, match=message),
    ):
        store.realise(whole(proxy.address, repository))


# what there is not


def test_no_such_image_no_such_tag_no_such_digest(registry, repository, images):
    with images() as store:
        with pytest.raises(UserError, match=f"there is no image `test/missing` in the registry {registry}"):
            store.realise(whole(registry, "test/missing"))
        with pytest.raises(UserError, match=f"the image `{repository}` in the registry {registry} has no tag `lates`"):
            store.realise(whole(registry, repository, ":lates"))
        with pytest.raises(UserError, match="has no sha256:000000000000"):
            store.realise(whole(registry, repository, f"@sha256:{'0' * 64}"))


def test_no_such_tag_has_the_nearest_in_its_hint(registry, repository, images):
    with images() as store, pytest.raises(UserError) as caught:
        store.realise(whole(registry, repository, ":lates"))
    assert caught.value.hint == "did you mean `latest`?"


def test_no_registry(images, monkeypatch):
    monkeypatch.setattr("maelstrom_container.images.http._PAUSE", 0)
    with (
        images() as store,
        pytest.raises(InfrastructureError, match=r"failed to reach 127\.0\.0\.1:1: Connection refused"),
    ):
        store.realise(whole("127.0.0.1:1", "x"))


def test_no_image_for_this_machine(registry, images):
    push(registry, "test/foreign", IMAGE.but(architecture="s390x"))
    with (
        images() as store,
        pytest.raises(UserError, match=f"no image for linux/{ARCHITECTURE}: it is for `linux/s390x`"),
    ):
        store.realise(whole(registry, "test/foreign"))


def test_what_is_no_image(registry, images):
    config = Blob(b"{}", "application/vnd.oci.empty.v1+json")
    push_blob(registry, "test/artifact", config)
    document = {"schemaVersion": 2, "mediaType": IMAGE.manifest.media_type, "config": config.descriptor, "layers": []}
    push_manifest(registry, "test/artifact", Blob(json.dumps(document).encode(), IMAGE.manifest.media_type), "latest")
    with images() as store, pytest.raises(UserError, match="no container image"):
        store.realise(whole(registry, "test/artifact"))


def test_errors_are_not_remembered(registry, images):
    with images() as store:
        with pytest.raises(UserError, match="there is no image"):
            store.realise(whole(registry, "test/later"))
        push(registry, "test/later", IMAGE)
        assert contents(store.realise(whole(registry, "test/later"))) == AS_PUSHED


# several at once, and an end in the middle

CHILD = """
import sys
from pathlib import Path
from maelstrom_container.images.store import ImageOptions, ImageStore
from maelstrom_container.store import LayerStore
from maelstrom_core.spec import Reference, Use
root = Path(sys.argv[1])
with LayerStore(root / "cache") as store:
    images = ImageStore(store, root / "cache", root / "project", ImageOptions())
    print("ready", flush=True)
    sys.stdin.readline()
    images.realise(Reference(sys.argv[2], frozenset({Use.LAYERS})))
    print("done", flush=True)
    sys.stdin.readline()
    images.close()
"""


def child(tmp_path: Path, name: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_ROOTS)}
    command = [sys.executable, "-c", CHILD, str(tmp_path), name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_im14_two_processes_download_a_layer_once(registry, repository, images, tmp_path):
    with between(registry) as proxy:
        name = f"docker://{proxy.address}/{repository}"
        processes = [child(tmp_path, name) for _ in range(2)]
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.stdout.readline() for process in processes] == ["done\n"] * 2
        for process in processes:
            process.communicate("\n")
        for blob in IMAGE.layer_blobs:
            assert len(proxy.asked_for(blob.digest)) == 1


def test_a_process_that_is_killed_leaves_the_next_one_free(registry, repository, images, tmp_path):
    def hang(request, reply):
        if is_first_layer(request):
            reply.send, reply.hang = 1000, True
        return reply

    with between(registry, hang) as proxy:
        process = child(tmp_path, f"docker://{proxy.address}/{repository}")
        process.stdin.write("go\n")
        process.stdin.flush()
        assert proxy.hanging.wait(30)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        proxy.rule = lambda _, reply: reply
        with images() as store:
            assert contents(store.realise(whole(proxy.address, repository))) == AS_PUSHED
        assert list((tmp_path / "cache" / "layers" / "tmp").iterdir()) == []


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
@pytest.mark.parametrize("headers", [False, True])
def test_a_download_can_be_stopped_while_nothing_comes(registry, repository, images, part, headers):
    def hang(request, reply):
        if part in request.path:
            reply.send, reply.hang, reply.silent = 10, True, not headers
        return reply

    with between(registry, hang) as proxy, images() as store:
        errors: list[BaseException] = []

        def download() -> None:
            try:
                store.realise(whole(proxy.address, repository))
            except InfrastructureError as error:
                errors.append(error)

        thread = threading.Thread(target=download)
        thread.start()
        assert proxy.hanging.wait(30)
        store.stop()
        thread.join()
        assert [str(error) for error in errors] == ["the download was stopped"]
