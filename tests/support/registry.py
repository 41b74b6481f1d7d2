"""A real registry on this machine for tests, what stands between it and us when it fails, and its server of tokens.

Nothing here is reachable from, or reaches, another machine. Where the registry is not installed, tests are skipped.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.images import Blob, Image

USER, PASSWORD = "somebody", "secret word"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuu1C7yeI3ZG3Jm.nHdnKkGJg1xTYKP9Oy\n"
"""Of PASSWORD, in the only form that the registry takes."""
ISSUER, SERVICE = "tests", "registry of tests"


def missing_tools() -> list[str]:
    """Return what is not installed of what is needed."""
    return [tool for tool in ("docker-registry", "openssl", "setpriv") if shutil.which(tool) is None]


@dataclass(frozen=True)
class Place:
    """A directory with the storage that all registries of a test process share, and a certificate of our own."""

    directory: Path

    @cached_property
    def certificate(self) -> tuple[Path, Path]:
        """A certificate for this machine, signed by nobody, and its key."""
        certificate, key = self.directory / "certificate.pem", self.directory / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run(
            [*command, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
        )
        return certificate, key

    @contextmanager
    def registry(self, *, auth: dict[str, Any] | None = None, tls: bool = False) -> Iterator[str]:
        """Run a registry; give its address, host and port."""
        settings: dict[str, Any] = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "storage")}},
            "http": {"addr": "127.0.0.1:0", "secret": "x"},
        }
        if tls:
            certificate, key = self.certificate
            settings["http"]["tls"] = {"certificate": str(certificate), "key": str(key)}
        if auth is not None:
            settings["auth"] = auth
        path = self.directory / f"settings-{time.monotonic_ns()}.yml"
        path.write_text(json.dumps(settings))  # JSON is YAML
        process = subprocess.Popen(
            # it must not outlive us, whatever ends us
            ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        drain = threading.Thread(target=process.stderr.read)
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"listening on (127\.0\.0\.1:\d+)", line):
                    break
            else:
                raise AssertionError("".join(said))
            drain.start()
            yield found[1]
        finally:
            process.kill()
            process.wait()
            if drain.ident is not None:
                drain.join()
            process.stderr.close()

    def basic(self) -> dict[str, Any]:
        """Return the settings that have a registry ask for USER and PASSWORD."""
        path = self.directory / "htpasswd"
        path.write_text(_HTPASSWD)
        return {"htpasswd": {"realm": "tests", "path": str(path)}}

    def bearer(self, realm: str) -> dict[str, Any]:
        """Return the settings that have a registry ask for tokens of a server."""
        return {
            "token": {
                "realm": realm,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.certificate[0]),
            }
        }


def push(address: str, repository: str, image: Image, tag: str = "latest") -> None:
    """Put an image into a registry that asks for nothing."""
    for blob in image.blobs:
        push_blob(address, repository, blob)
    push_manifest(address, repository, image.manifest, tag)


def push_blob(address: str, repository: str, blob: Blob) -> None:
    with _exchange(address, "POST", f"/v2/{repository}/blobs/uploads/") as answer:
        assert answer.status == 202, answer.read()
        location = urlsplit(answer.headers["Location"])
    target = f"{location.path}?{location.query}&digest={blob.digest}"
    with _exchange(address, "PUT", target, blob.data, "application/octet-stream") as answer:
        assert answer.status == 201, answer.read()


def push_manifest(address: str, repository: str, manifest: Blob, tag: str) -> None:
    with _exchange(address, "PUT", f"/v2/{repository}/manifests/{tag}", manifest.data, manifest.media_type) as answer:
        assert answer.status == 201, answer.read()


@contextmanager
def _exchange(
    address: str,
    method: str,
    path: str,
    body: bytes = b"",
    media_type: str = "",
    *,
    headers: dict[str, str] | None = None,
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(address)
    try:
        types = {"Content-Type": media_type} if media_type else {}
        connection.request(method, path, body, {**types, **(headers or {})})
        yield connection.getresponse()
    finally:
        connection.close()


# what stands in between


@dataclass
class Request:
    """What somebody asked for."""

    method: str
    path: str
    headers: dict[str, str]
    body: str = ""


@dataclass
class Reply:
    """What the registry answers; a rule may change it. Of the body `send` bytes are sent, then the connection ends."""

    status: int
    headers: dict[str, str]
    body: bytes
    send: int | None = None
    hang: bool = False
    """Send nothing more until the proxy is closed."""
    silent: bool = False
    """With `hang`: send not even the headers."""


Rule = Callable[[Request, Reply], Reply]


@dataclass
class Proxy:
    """Passes requests on to a registry, and what it answers back, changed by a rule; notes what was asked for."""

    upstream: str
    rule: Rule = lambda _request, reply: reply
    requests: list[Request] = field(default_factory=list)
    strip: tuple[str, ...] = ()
    """Headers of requests that the registry does not see."""
    address: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)

    def asked_for(self, part: str) -> list[Request]:
        """Return the requests whose path has a part."""
        return [request for request in self.requests if part in request.path]


@contextmanager
def between(upstream: str, rule: Rule | None = None, *, strip: tuple[str, ...] = ()) -> Iterator[Proxy]:
    """Run a proxy in threads of this process."""
    proxy = Proxy(upstream, strip=strip)
    if rule is not None:
        proxy.rule = rule

    class Handler(_Quiet):
        def do_GET(self) -> None:
            request = Request(self.command, self.path, dict(self.headers))
            proxy.requests.append(request)
            sent = {name: text for name, text in request.headers.items() if name not in {"Host", *proxy.strip}}
            with _exchange(upstream, "GET", self.path, headers=sent) as answer:
                reply = Reply(answer.status, dict(answer.headers), answer.read())
            reply = proxy.rule(request, reply)
            if reply.silent:
                proxy.hanging.set()
                proxy.over.wait()
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(reply.body[: reply.send])
            if reply.hang:
                self.wfile.flush()
                proxy.hanging.set()
                proxy.over.wait()
            self.close_connection = reply.send is not None or reply.hang

    with _serving(Handler) as proxy.address:
        try:
            yield proxy
        finally:
            proxy.over.set()


@contextmanager
def serving_tokens(place: Place, grant: Callable[[Request], bool]) -> Iterator[tuple[str, list[Request]]]:
    """Run a server of tokens; give its address, and the list of what it is asked for."""
    requests: list[Request] = []

    class Handler(_Quiet):
        def do_GET(self) -> None:
            self.answer(urlsplit(self.path).query, "")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(body, body)

        def answer(self, form: str, posted: str) -> None:
            request = Request(self.command, self.path, dict(self.headers), posted)
            requests.append(request)
            query = parse_qs(form)
            good = grant(request) and query["service"] == [SERVICE]
            body = json.dumps({"token": _token(place, query["scope"][0])} if good else {}).encode()
            self.send_response(200 if good else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with _serving(Handler) as address:
        yield f"http://{address}/token", requests


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":  # TLS: said as the registry says it
            self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        else:
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # whoever asked has gone away, as some tests have it


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    handler.timeout = 5  # idle connections end, else their threads are waited for
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _token(place: Place, scope: str) -> str:
    """Return a token as the registry wants it: signed by the key of the certificate that it was told."""
    certificate, key = place.certificate
    chain = [re.sub(r"-----[A-Z ]+-----|\s", "", certificate.read_text())]
    kind, name, actions = scope.rsplit(":", 2) if scope.count(":") > 2 else scope.split(":")
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": USER,
        "aud": SERVICE,
        "exp": now + 300,
        "nbf": now - 60,
        "iat": now,
        "jti": "1",
        "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
    }
    parts = [_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "RS256", "x5c": chain}, claims)]
    text = ".".join(parts).encode()
    signed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(key)], input=text, capture_output=True, check=True
    )
    return f"{text.decode()}.{_encoded(signed.stdout)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
