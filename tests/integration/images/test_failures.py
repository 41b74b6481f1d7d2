"""Registries that fail in between, that lack what is asked for, and ends in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from maelstrom_core.errors import InfrastructureError, UserError
from tests.integration.images.common import AS_PUSHED, IMAGE, NOISE, contents, is_first_layer, whole
from tests.support.images import ARCHITECTURE, Blob
from tests.support.programs import IMPORT_ROOTS
from tests.support.registry import Reply, between, push, push_blob, push_manifest

# what goes wrong in between


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


def test_what_a_registry_says_is_no_command_for_the_terminal(registry, repository, images):
    def color(request, reply):
        body = b'{"tags": ["lates\\u001b[31m", "latest"]}' if "tags/list" in request.path else reply.body
        headers = {"Content-Length": str(len(body)), "Docker-Content-Digest": "sha256:\x1b[31m"}
        return Reply(200 if "tags/list" in request.path else reply.status, headers, body)

    with between(registry, color) as proxy, images() as store:
        assert contents(store.realise(whole(proxy.address, repository))) == AS_PUSHED
        with pytest.raises(UserError) as caught:
            store.realise(whole(proxy.address, repository, ":lates"))
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
