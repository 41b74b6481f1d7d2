"""Images of a real registry: what comes of them, what their tags mean, and who is asked who we are."""

from __future__ import annotations

import json
import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from maelstrom_container.images.tag_lock import FILE_NAME
from maelstrom_container.store import LayerStore
from maelstrom_core.errors import InfrastructureError, UserError
from maelstrom_core.spec import Reference, Use
from tests.integration.images.common import AS_PUSHED, IMAGE, NOISE, contents, tag_lock, whole
from tests.support.images import index_of
from tests.support.registry import PASSWORD, USER, Reply, basic, between, push, push_manifest, serving_tokens

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


def test_registries_of_this_machine_are_asked_through_no_proxy(registry, repository, images, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with images() as store:
        assert contents(store.realise(whole(registry, repository))) == AS_PUSHED


def test_images_are_pruned_with_the_cache(registry, repository, images, tmp_path):
    kept = tmp_path / "cache" / "layers" / "blake3"
    with between(registry) as proxy:
        reference = whole(proxy.address, repository)
        with images() as store:
            store.realise(reference)
        assert len(list((kept / "layer").glob("*.size"))) == 3
        with LayerStore(tmp_path / "cache", target_size=0):
            pass
        assert [list((kept / kind).iterdir()) for kind in ("layer", "document")] == [[], []]
        proxy.requests.clear()
        with images() as store:
            assert contents(store.realise(reference)) == AS_PUSHED
        assert len(proxy.asked_for("/blobs/")) == 4


def test_layers_are_downloaded_side_by_side(registry, repository, images):
    together = threading.Barrier(len(IMAGE.layers), timeout=30)

    def meet(request, reply):
        if any(blob.digest in request.path for blob in IMAGE.layer_blobs):
            together.wait()  # none is answered before all are asked for
        return reply

    with between(registry, meet) as proxy, images() as store:
        assert contents(store.realise(whole(proxy.address, repository))) == AS_PUSHED
    assert not together.broken


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


def test_bearer_authentication_by_an_identity_token(place, repository, images, home):
    """What `docker login` leaves with some registries; it is sent in a body, and to the server of tokens only."""

    def grant(request):
        return request.method == "POST" and "refresh_token=long+lived&" in request.body

    with serving_tokens(place, grant) as (realm, asked), place.registry(auth=place.bearer(realm)) as address:
        (home / "config.json").write_text(json.dumps({"auths": {address: {"identitytoken": "long lived"}}}))
        with images() as store:
            assert contents(store.realise(whole(address, repository))) == AS_PUSHED
        assert [request.path for request in asked] == ["/token"]


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
