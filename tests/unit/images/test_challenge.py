"""What registries ask for, and what they are answered (IM7)."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.images.challenge import (
    Challenge,
    Credentials,
    basic_header,
    check_address,
    choose,
    parse_challenges,
    parse_token,
    token_request,
)
from maelstrom_core.errors import InfrastructureError

BEARER = Challenge("bearer", {"realm": "https://auth.example.com/token", "service": "registry", "scope": "repo:x:pull"})


def request_for(challenge=BEARER, credentials=None, *, plain_allowed=False):
    return token_request(
        challenge, credentials, repository="library/x", plain_allowed=plain_allowed, registry="example.com"
    )


def test_im7_bearer_challenge():
    header = 'Bearer realm="https://auth.example.com/token",service="registry",scope="repo:x:pull"'
    assert parse_challenges([header]) == (BEARER,)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["Basic"], (Challenge("basic"),)),
        (['Basic realm="a, \\"b\\""'], (Challenge("basic", {"realm": 'a, "b"'}),)),
        (["bearer Realm=x , Scope = y"], (Challenge("bearer", {"realm": "x", "scope": "y"}),)),
        (
            ['Basic realm="a", Bearer realm="b"'],
            (Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})),
        ),
        (["Negotiate", 'Basic realm="a"'], (Challenge("negotiate"), Challenge("basic", {"realm": "a"}))),
        ([""], ()),
        ([], ()),
    ],
)
def test_im7_challenges_in_all_their_spellings(headers, expected):
    assert parse_challenges(headers) == expected


def test_tokens_rather_than_passwords():
    assert choose([Challenge("basic"), BEARER]) is BEARER
    assert choose([Challenge("basic"), Challenge("bearer")]) == Challenge("basic")
    assert choose([Challenge("negotiate")]) is None


def test_anonymous_token():
    request = request_for()
    assert parse_qs(urlsplit(request.url).query) == {"service": ["registry"], "scope": ["repo:x:pull"]}
    assert request.authorization is None


def test_scope_is_made_up_where_the_registry_names_none():
    request = request_for(Challenge("bearer", {"realm": "https://a/t?x=y"}))
    assert request.url == "https://a/t?x=y&scope=repository%3Alibrary%2Fx%3Apull"


def test_token_for_a_user():
    request = request_for(credentials=Credentials("me", "päss:word"))
    assert base64.b64decode(request.authorization.removeprefix("Basic ")).decode() == "me:päss:word"
    assert request.authorization == basic_header(Credentials("me", "päss:word"))


def test_identity_token_is_sent_in_a_form_and_never_in_an_address():
    request = request_for(credentials=Credentials(identity_token="secret"))
    assert request.form["refresh_token"] == "secret"
    assert "secret" not in request.url


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.example.com/token",
        "http://127.0.0.1/token",
        "ftp://a/t",
        "file:///etc/passwd",
        "",
        "https://",
        "https://a:0/",
        "https://u:p@a/",
        "https://a b/",
        "https://[::1/",
        "https://a:99999/",
    ],
)
def test_nothing_is_sent_to_where_no_tls_is(realm):
    with pytest.raises(InfrastructureError, match=r"no address with TLS"):
        request_for(Challenge("bearer", {"realm": realm}))


def test_without_tls_only_on_this_machine_and_only_for_a_registry_without():
    check_address("http://127.0.0.1:80/t", "x", plain_allowed=True)
    with pytest.raises(InfrastructureError):
        check_address("http://auth.example.com/t", "x", plain_allowed=True)


@pytest.mark.parametrize(
    ("data", "token"),
    [
        (b'{"token": "abc"}', "abc"),
        (b'{"access_token": "abc", "expires_in": 3}', "abc"),
        (b'{"token": "a\\r\\nb"}', None),
        (b'{"token": ""}', None),
        (b"[]", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_tokens(data, token):
    assert parse_token(data) == token


@given(st.lists(st.text(alphabet='Bbasic eaRrlm="\\,;x \t', max_size=60), max_size=3))
def test_whatever_is_in_a_header_is_parsed_to_an_end(headers):
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower() != ""
