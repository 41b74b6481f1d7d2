"""Images in a registry: version 2 of the registries' HTTP interface, as far as reading goes.

    GET /v2/NAME/manifests/TAG-OR-DIGEST       -> an index or a manifest
    GET /v2/NAME/blobs/DIGEST                  -> configurations and layers; may be read from any byte on

Imports `http`, and with it urllib3: only to be imported when something is to be downloaded. What a challenge means and
what is in a document is decided elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from urllib3.exceptions import HTTPError

from maelstrom_container.images.challenge import (
    MAXIMUM_TOKEN,
    Challenge,
    Credentials,
    basic_header,
    choose,
    parse_challenges,
    parse_token,
    token_request,
)
from maelstrom_container.images.credentials import find_credentials
from maelstrom_container.images.documents import (
    INDEXES,
    MANIFESTS,
    MAXIMUM_DOCUMENT,
    Descriptor,
    digest_of,
    short,
)
from maelstrom_container.images.http import Answer, Http, NotTlsError, UnreachableError
from maelstrom_container.images.name import RegistryName, check_digest, is_tag, printable
from maelstrom_container.images.source import CheckedStream, DamagedRemotelyError, check_document, check_size
from maelstrom_container.images.stopping import Stop
from maelstrom_core.errors import InfrastructureError, MaelstromError, UserError
from maelstrom_core.suggest import nearest

_ACCEPT = ", ".join(sorted(INDEXES | MANIFESTS))
_MAXIMUM_ERROR = 64 << 10
_MAXIMUM_TAGS = 1 << 20
_LOOKED_AT = 1000
"""Tags among which the nearest is looked for."""
_RESUMPTIONS = 5
"""How often a download is taken up again without having come _PROGRESS bytes further."""
_PROGRESS = 1 << 20
_PAUSE = 0.25


class TopDocument(msgspec.Struct, frozen=True):
    """What a tag or a digest leads to."""

    data: bytes
    media_type: str
    digest: str


class _ErrorEntry(msgspec.Struct):
    code: str = ""


class _Errors(msgspec.Struct):
    errors: tuple[_ErrorEntry, ...] = ()


class _Tags(msgspec.Struct):
    tags: tuple[str, ...] | None = None


class RegistrySource:
    """The source of one image of a registry."""

    def __init__(self, name: RegistryName, stop: Stop, *, check_certificates: bool) -> None:
        self._name = name
        self._what = f"the image {name}"
        self._stop = stop
        self._http = Http(stop, check_certificates=check_certificates)
        self._scheme = "https"
        self._mutex = threading.Lock()
        self._authorization: str | None = None
        self._credentials: Credentials | None = None
        self._looked_for_credentials = False

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._http.close()

    def top(self) -> TopDocument:
        """Return what the name leads to. Raises UserError for a name, a tag or a digest that does not exist."""
        reference = self._name.digest or self._name.effective_tag
        with self._get(f"manifests/{reference}", {"Accept": _ACCEPT}) as answer:
            if answer.status == 404:
                raise self._not_found(reference)
            self._expect(answer, 200, "manifest")
            data = self._read(answer, MAXIMUM_DOCUMENT)
            announced = answer.headers.get("Docker-Content-Digest", "")
            media_type = answer.headers.get("Content-Type", "")
        expected = self._name.digest or (announced if check_digest(announced) else "")
        digest = digest_of(data, expected.partition(":")[0] or "sha256")
        if expected and digest != expected:
            raise self._damaged(f"{short(expected)} was asked for, what came has the digest {short(digest)}")
        return TopDocument(data, media_type, digest)

    def document(self, descriptor: Descriptor) -> bytes:
        """Return a document, checked."""
        check_size(descriptor, self._what)
        kind = "manifests" if descriptor.media_type in INDEXES | MANIFESTS else "blobs"
        with self._get(f"{kind}/{descriptor.digest}", {"Accept": _ACCEPT} if kind == "manifests" else {}) as answer:
            self._expect(answer, 200, f"document {short(descriptor.digest)}")
            return check_document(self._read(answer, descriptor.size + 1), descriptor, self._damaged)

    @contextmanager
    def layer(self, descriptor: Descriptor) -> Iterator[CheckedStream]:
        """Open the archive of a layer; broken connections are taken up again where they broke."""
        download = _Download(self, descriptor)
        try:
            yield CheckedStream(download, descriptor, self._damaged)
        finally:
            download.close()

    # for _Download

    def open_blob(self, descriptor: Descriptor, position: int) -> Answer:
        """Return the answer from which a blob can be read, from `position` bytes on. Raises MaelstromError."""
        headers = {"Range": f"bytes={position}-"} if position else {}
        answer = self._get(f"blobs/{descriptor.digest}", headers)
        try:
            self._go_to(answer, descriptor, position)
        except BaseException:
            answer.close()
            raise
        return answer

    def _go_to(self, answer: Answer, descriptor: Descriptor, position: int) -> None:
        """Have the next byte to be read be that at `position`, if the answer is any good."""
        if not position or answer.status != 206:
            self._expect(answer, 200, f"layer {short(descriptor.digest)}")
            self._skip(answer, position)
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {position}-"):
            raise self._damaged(f"the layer {short(descriptor.digest)} is continued at another place than asked for")

    @property
    def stop(self) -> Stop:
        """What ends downloads early."""
        return self._stop

    def broken(self, descriptor: Descriptor, position: int, error: object) -> UnreachableError:
        """Return the error of a download that does not come to its end."""
        return UnreachableError(
            f"failed to download {self._what}: its layer {short(descriptor.digest)} breaks off after {position} of "
            f"{descriptor.size} bytes, again and again: {printable(str(error))}",
            hint="try again later",
        )

    # requests

    def _get(self, path: str, headers: dict[str, str]) -> Answer:
        """Send a request, and answer the challenge if there is one. Any other status is for the caller."""
        before = self._authorization
        try:
            answer = self._send(path, headers, before)
        except NotTlsError:
            if not self._name.is_local:
                raise
            self._scheme = "http"
            answer = self._send(path, headers, before)
        if answer.status != 401:
            return answer
        with answer:
            challenge = choose(parse_challenges(answer.headers.getlist("WWW-Authenticate")))
        if challenge is None:
            raise UserError(
                f"failed to read {self._what}: the registry asks for credentials in a way that is not known"
            )
        answer = self._send(path, headers, self._authorize(challenge, before))
        if answer.status == 401:
            answer.close()
            raise self._unauthorised()
        return answer

    def _send(self, path: str, headers: dict[str, str], authorization: str | None) -> Answer:
        url = f"{self._scheme}://{self._name.address}/v2/{self._name.path}/{path}"
        own = {"Authorization": authorization} if authorization is not None else {}
        return self._http.request("GET", url, headers={**headers, **own}, plain_allowed=self._plain_allowed)

    @property
    def _plain_allowed(self) -> bool:
        return self._scheme == "http"

    def _authorize(self, challenge: Challenge, before: str | None) -> str:
        """Return what answers a challenge that came for `before`; another thread may have just found it."""
        with self._mutex:
            if self._authorization is not None and self._authorization != before:
                return self._authorization
            if not self._looked_for_credentials:
                name = self._name
                self._credentials = find_credentials(name.address, hub=name.is_hub, environ=os.environ)
                self._looked_for_credentials = True
            if challenge.scheme == "bearer":
                self._authorization = f"Bearer {self._token(challenge)}"
            elif self._credentials is None or not self._credentials.user:
                raise self._unauthorised()
            else:
                self._authorization = basic_header(self._credentials)
            return self._authorization

    def _token(self, challenge: Challenge) -> str:
        request = token_request(
            challenge,
            self._credentials,
            repository=self._name.path,
            plain_allowed=self._plain_allowed,
            registry=self._name.host,
        )
        headers = {"Authorization": request.authorization} if request.authorization is not None else {}
        method = "GET" if request.form is None else "POST"
        with self._http.request(
            method, request.url, headers=headers, form=request.form, plain_allowed=self._plain_allowed
        ) as answer:
            if answer.status in {400, 401, 403}:
                raise self._unauthorised()
            self._expect(answer, 200, "token")
            token = parse_token(self._read(answer, MAXIMUM_TOKEN))
        if token is None:
            raise self._damaged("the server of tokens sends none")
        return token

    def _read(self, answer: Answer, limit: int) -> bytes:
        """Return a body of at most `limit` bytes."""
        data = bytearray()
        try:
            # to the very end: only there it is noticed that something is missing
            while len(data) <= limit and (piece := answer.read1(limit + 1 - len(data), decode_content=False)):
                data += piece
        except (HTTPError, OSError) as error:
            self._stop.check()
            raise UnreachableError(
                f"failed to read {self._what}: {printable(str(error))}", hint="try again later"
            ) from None
        if len(data) > limit:
            raise self._damaged(f"an answer has more than {limit} bytes")
        return bytes(data)

    def _skip(self, answer: Answer, count: int) -> None:
        """Read what is known already, of a server that knows no ranges."""
        while count:
            data = answer.read(min(count, 1 << 18), decode_content=False)
            if not data:
                raise self._damaged("a download that is begun again is shorter than before")
            count -= len(data)

    # errors

    def _expect(self, answer: Answer, status: int, what: str) -> None:
        if answer.status == status:
            return
        host = self._name.host
        if answer.status == 403:
            raise self._unauthorised()
        if answer.status == 404:
            raise DamagedRemotelyError(f"failed to read {self._what}: the registry {host} lacks its {what}")
        if answer.status == 429:
            raise InfrastructureError(
                f"failed to read {self._what}: too many requests were sent to {host}",
                hint="wait, or log in with `docker login`: that raises the limit of some registries",
            )
        raise UnreachableError(
            f"failed to read {self._what}: the registry {host} answers with the status {answer.status} "
            f"when asked for the {what}",
            hint="try again later",
        )

    def _unauthorised(self) -> UserError:
        login = f"docker login {self._name.host}" if not self._name.is_hub else "docker login"
        if self._credentials is None:
            return UserError(
                f"failed to read {self._what}: the registry {self._name.host} wants to know who asks, or there is no "
                "such image",
                hint=f"look at the name, or log in with `{login}`",
            )
        return UserError(
            f"failed to read {self._what}: the registry {self._name.host} does not let `{self._shown_user}` read it",
            hint=f"look at the name, or log in as somebody else with `{login}`",
        )

    @property
    def _shown_user(self) -> str:
        return self._credentials.user if self._credentials is not None and self._credentials.user else "you"

    def _not_found(self, reference: str) -> MaelstromError:
        """Return the error for what does not exist: that there is no such image, or which tags it has."""
        name = self._name
        tags: tuple[str, ...] = ()
        try:
            with self._get("tags/list", {}) as answer:
                data = self._read(answer, _MAXIMUM_TAGS)
                if answer.status == 404:
                    known = {entry.code for entry in msgspec.json.decode(data[:_MAXIMUM_ERROR], type=_Errors).errors}
                    if "NAME_UNKNOWN" in known:
                        return UserError(
                            f"there is no image `{name.path}` in the registry {name.host}", hint="look at the name"
                        )
                elif answer.status == 200:
                    tags = tuple(filter(is_tag, (msgspec.json.decode(data, type=_Tags).tags or ())[:_LOOKED_AT]))
        except (MaelstromError, msgspec.MsgspecError, UnicodeDecodeError):
            self._stop.check()  # no more is known than before
        if name.digest is not None:
            return UserError(
                f"the image `{name.path}` in the registry {name.host} has no {short(reference)}",
                hint="if it is not you who wants this digest but the project's tag lock: "
                "--update-image looks the tag up anew",
            )
        best = nearest(reference, tags) or (tags[0] if len(tags) == 1 else None)
        return UserError(
            f"the image `{name.path}` in the registry {name.host} has no tag `{reference}`",
            hint=f"did you mean `{best}`?" if best else "look at the tag",
        )

    def _damaged(self, problem: str) -> DamagedRemotelyError:
        return DamagedRemotelyError(
            f"failed to read {self._what} of the registry {self._name.host}: {problem}",
            hint="nothing of it was used; tell those who run the registry",
        )


class _Download:
    """The bytes of a blob, over as many connections as it takes; used by one thread."""

    def __init__(self, source: RegistrySource, descriptor: Descriptor) -> None:
        self._source = source
        self._descriptor = descriptor
        self._answer: Answer | None = None
        self._position = 0
        self._begun_at = 0
        self._failures = 0

    def read(self, size: int, /) -> bytes:
        """Return some bytes, none at the end. Raises MaelstromError."""
        wanted = min(size, self._descriptor.size - self._position)
        while wanted:
            problem: object = "the server ends the connection"
            try:
                if self._answer is None:
                    self._answer = self._source.open_blob(self._descriptor, self._position)
                    self._begun_at = self._position
                data = self._answer.read1(wanted, decode_content=False)
                if data:
                    self._position += len(data)
                    return data
            except (HTTPError, OSError) as error:
                problem = error
            self._begin_again(problem)
        return b""

    def close(self) -> None:
        """Be done with it."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _begin_again(self, problem: object) -> None:
        self.close()
        self._source.stop.check()
        if self._position - self._begun_at >= _PROGRESS:
            self._failures = 0
        self._failures += 1
        if self._failures > _RESUMPTIONS:
            raise self._source.broken(self._descriptor, self._position, problem)
        self._source.stop.wait(_PAUSE * 2 ** (self._failures - 1))
