"""What a registry wants before it answers, and what answers that: Basic and Bearer authentication.

    401, WWW-Authenticate  -> parse_challenges -> choose -> Basic: `basic_header`
                                                            Bearer: `token_request`, sent to the realm, -> `parse_token`

Pure: no network. Imports nothing of the project but the errors.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

import msgspec

from maelstrom_container.images.name import is_loopback, printable
from maelstrom_core.errors import InfrastructureError

MAXIMUM_TOKEN = 64 << 10
"""Bytes of a token, and of the answer that holds it: it goes into a header."""

_MAXIMUM_CHALLENGE = 8192
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))\s*')
_SCHEME = re.compile(rf"\s*({_WORD})(?:\s+|$)")


class Credentials(msgspec.Struct, frozen=True):
    """A user's name and password; or `identity_token`, which the server of tokens takes in their place."""

    user: str = ""
    password: str = ""
    identity_token: str = ""


class Challenge(msgspec.Struct, frozen=True):
    """One way to authenticate that a registry offers; schemes and names of parameters in small letters."""

    scheme: str
    parameters: dict[str, str] = {}


class TokenRequest(msgspec.Struct, frozen=True):
    """A request for a token; with a `form` it is sent by POST."""

    url: str
    authorization: str | None = None
    form: dict[str, str] | None = None


class _Answer(msgspec.Struct):
    token: str = ""
    access_token: str = ""


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return what the WWW-Authenticate headers of an answer offer; what is malformed is left out."""
    challenges = []
    for header in headers:
        rest = header[:_MAXIMUM_CHALLENGE]
        while (scheme := _SCHEME.match(rest)) is not None:
            rest = rest[scheme.end() :]
            parameters: dict[str, str] = {}
            while (parameter := _PARAMETER.match(rest)) is not None:
                name, quoted, plain = parameter.groups()
                parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain)
                rest = rest[parameter.end() :]
                if not rest.startswith(","):
                    break
                rest = rest[1:].lstrip(", ")
            challenges.append(Challenge(scheme[1].lower(), parameters))
            rest = rest.lstrip(", ")
    return tuple(challenges)


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the challenge to answer, tokens rather than passwords; None if none can be answered."""
    by_scheme = {challenge.scheme: challenge for challenge in reversed(tuple(challenges))}
    bearer = by_scheme.get("bearer")
    if bearer is not None and "realm" in bearer.parameters:
        return bearer
    return by_scheme.get("basic")


def basic_header(credentials: Credentials) -> str:
    """Return the header Authorization for a name and a password."""
    text = f"{credentials.user}:{credentials.password}"
    return "Basic " + base64.b64encode(text.encode()).decode()


def token_request(
    challenge: Challenge, credentials: Credentials | None, *, repository: str, plain_allowed: bool, registry: str
) -> TokenRequest:
    """Return the request for a token to read a repository.

    Raises InfrastructureError where the registry sends us to an address that credentials must not be sent to:
    `plain_allowed` says whether it may be one of this machine without TLS.
    """
    realm = challenge.parameters["realm"]
    check_address(realm, f"the registry {registry} asks for tokens of", plain_allowed=plain_allowed)
    scope = challenge.parameters.get("scope") or f"repository:{repository}:pull"
    service = challenge.parameters.get("service", "")
    if credentials is not None and credentials.identity_token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credentials.identity_token,
            "client_id": "maelstrom",
            "service": service,
            "scope": scope,
        }
        return TokenRequest(realm, form=form)
    query = urlencode([*([("service", service)] if service else []), ("scope", scope)])
    url = realm + ("&" if "?" in realm else "?") + query
    return TokenRequest(url, basic_header(credentials) if credentials is not None else None)


def parse_token(data: bytes) -> str | None:
    """Return the token of a server's answer; None if there is none that could be used."""
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    token = answer.token or answer.access_token
    return token if re.fullmatch(r"[\x21-\x7e]+", token) and len(token) <= MAXIMUM_TOKEN else None


def check_address(url: str, sender: str, *, plain_allowed: bool) -> None:
    """Raise InfrastructureError if a server sends us to where nothing should be sent."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        host, port = "", None
    good = bool(host) and port != 0 and re.fullmatch(r"[\x21-\x7e]+", url) is not None and not parts.username
    if good and (parts.scheme == "https" or (parts.scheme == "http" and plain_allowed and is_loopback(host))):
        return
    raise InfrastructureError(f"{sender} {printable(url)}, which is no address with TLS")
