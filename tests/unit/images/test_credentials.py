"""Credentials of ~/.docker/config.json and of its helpers."""

import base64
import json

import pytest

from maelstrom_container.images.challenge import Credentials
from maelstrom_container.images.credentials import find_credentials
from maelstrom_core.errors import ConfigError

ME = Credentials("me", "pass:word")


def encoded(text):
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def find(tmp_path, monkeypatch):
    """Return a function that looks for credentials with a certain file."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    def find(document, address="example.com:5000", hub=False):
        (tmp_path / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
        return find_credentials(address, hub=hub, environ={"DOCKER_CONFIG": str(tmp_path)})

    return find


@pytest.fixture
def helper(tmp_path):
    """Make a program of a shell script; it is called `mine`."""
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "docker-credential-mine"

    def make(script):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return make


def test_no_file_no_credentials(tmp_path):
    assert find_credentials("example.com", hub=False, environ={"HOME": str(tmp_path)}) is None


def test_the_file_is_in_the_home_directory(tmp_path):
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {"example.com": encoded("me:pass:word")}}))
    assert find_credentials("example.com", hub=False, environ={"HOME": str(tmp_path)}) == ME


@pytest.mark.parametrize("key", ["example.com:5000", "https://example.com:5000", "https://example.com:5000/v2/"])
def test_registries_are_named_in_several_ways(find, key):
    assert find({"auths": {key: encoded("me:pass:word")}}) == ME


def test_credentials_of_others_are_left_alone(find):
    assert find({"auths": {"example.com": encoded("me:x"), "example.com:50000": encoded("me:x")}}) is None


def test_docker_hub_has_a_name_of_its_own(find):
    document = {"auths": {"https://index.docker.io/v1/": encoded("me:pass:word")}, "other": [1]}
    assert find(document, "registry-1.docker.io", hub=True) == ME


def test_identity_tokens_and_plain_fields(find):
    assert find({"auths": {"example.com:5000": {"identitytoken": "t"}}}) == Credentials("", "", "t")
    assert find({"auths": {"example.com:5000": {"username": "me", "password": "pass:word"}}}) == ME
    assert find({"auths": {"example.com:5000": {}}}) is None


@pytest.mark.parametrize("document", ["", "[]", "{", '{"auths": 3}', '{"auths": {"a": {"auth": 3}}}'])
def test_malformed_file_is_an_error_that_names_it(find, tmp_path, document):
    with pytest.raises(ConfigError, match=rf"failed to read the credentials of registries in {tmp_path}/config.json"):
        find(document)


@pytest.mark.parametrize("auth", ["!", "bWU=", "/w=="])
def test_malformed_credentials_are_an_error_without_the_secret(find, auth):
    with pytest.raises(ConfigError, match=r"malformed credentials for example.com:5000") as caught:
        find({"auths": {"example.com:5000": {"auth": auth}}})
    assert auth not in caught.value.render()


def test_a_helper_is_asked_for_its_registry(find, helper):
    helper('read -r address; printf \'{"Username": "me", "Secret": "pass:word", "ServerURL": "%s"}\' "$address"')
    document = {"credHelpers": {"example.com:5000": "mine"}, "auths": {"other.com": encoded("a:b")}}
    assert find(document) == ME
    assert find(document, "other.com") == Credentials("a", "b")
    assert find({"credsStore": "mine"}) == ME


def test_a_helper_may_hold_a_token(find, helper):
    helper('printf \'{"Username": "<token>", "Secret": "t"}\'')
    assert find({"credsStore": "mine"}) == Credentials("", "", "t")


def test_a_helper_that_knows_nothing_is_no_error(find, helper):
    helper("echo credentials not found in native keychain; exit 1")
    assert find({"credsStore": "mine"}) is None


@pytest.mark.parametrize(
    ("script", "message"), [("echo locked >&2; exit 3", "no credentials for .*: locked"), ("echo x", "not understood")]
)
def test_a_helper_that_fails_is_an_error_that_names_it(find, helper, script, message):
    helper(script)
    with pytest.raises(ConfigError, match=rf"docker-credential-mine .*{message}"):
        find({"credsStore": "mine"})


def test_a_helper_that_is_missing_is_an_error_with_a_way_out(find, tmp_path):
    with pytest.raises(ConfigError, match=r"failed to run docker-credential-missing .*No such file") as caught:
        find({"credsStore": "missing"})
    assert str(tmp_path / "config.json") in str(caught.value.hint)


def test_the_name_of_a_helper_is_no_path(find):
    with pytest.raises(ConfigError, match=r"cannot be the name of a helper"):
        find({"credsStore": "../../bin/sh"})
