"""HTTP as registries need it: requests that may be redirected, with failures as errors of ours.

The only module that imports urllib3, and so only imported when something is to be downloaded. Knows nothing of images;
redirects are followed here since they are hostile input: never from TLS to plain HTTP, and never with credentials to
another server.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, InsecureRequestWarning, MaxRetryError, SSLError
from urllib3.response import BaseHTTPResponse

from maelstrom_container.images.challenge import check_address
from maelstrom_container.images.name import is_loopback, printable
from maelstrom_container.images.stopping import Stop
from maelstrom_core.errors import InfrastructureError

CONNECT_TIMEOUT = 15.0
READ_TIMEOUT = 60.0
"""Seconds without a byte."""
ATTEMPTS = 4
_PAUSE = 0.25
"""Seconds before the second attempt, doubled for each further."""
_CONNECTIONS = 8
_REDIRECTS = 8
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_EOF_WHILE_READING"})
"""What OpenSSL says where the first bytes of an answer are those of something else, or there are none."""
_FORM = "application/x-www-form-urlencoded"
_TRY_AGAIN = frozenset({500, 502, 503, 504})

Answer = BaseHTTPResponse


class UnreachableError(InfrastructureError):
    """A server does not answer, or not as one should."""


class NotTlsError(UnreachableError):
    """A server speaks something else than TLS."""


class UntrustedError(UnreachableError):
    """A server's certificate is not valid."""


class Http:
    """Connections to the servers of one registry; may be used by several threads."""

    def __init__(self, stop: Stop, *, check_certificates: bool) -> None:
        self._stop = stop
        self._check_certificates = check_certificates
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._pool_classes = _watched_by(stop)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        plain_allowed: bool = False,
    ) -> Answer:
        """Send a request and return the answer, its body unread: whoever calls closes it.

        Failures that may pass are tried again. Raises UnreachableError, NotTlsError, InfrastructureError.
        """
        sent = dict(headers)
        for _ in range(_REDIRECTS):
            answer = self._patiently(method, url, sent, form)
            if answer.status not in _REDIRECTED:
                return answer
            target = urljoin(url, answer.headers.get("Location", ""))
            answer.close()
            host = urlsplit(url).hostname
            check_address(target, f"the server {host} sends us on to", plain_allowed=plain_allowed)
            if form is not None:
                raise InfrastructureError(f"the server {host} sends us on when it is to take credentials")
            if _server(target) != _server(url):
                sent.pop("Authorization", None)
            url = target
        raise UnreachableError(f"failed to read {_shown(url)}: the servers send us on and on")

    def _patiently(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        pause = _PAUSE
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                answer = self._once(method, url, headers, form)
                if answer.status not in _TRY_AGAIN or last:
                    return answer
                answer.close()
            except (NotTlsError, UntrustedError):
                raise
            except UnreachableError:
                if last:
                    raise
            self._stop.wait(pause)
            pause *= 2
        raise AssertionError

    def _once(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        self._stop.check()
        try:
            return self._pool(url).request(
                method,
                url,
                headers={
                    **headers,
                    **({"Content-Type": _FORM} if form is not None else {"Accept-Encoding": "identity"}),
                },
                body=urlencode(form) if form is not None else None,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
            )
        except HTTPError as error:
            raise self._failure(url, error) from None

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        host = parts.hostname or ""
        proxy = getproxies().get(parts.scheme, "")
        if is_loopback(host) or not proxy or proxy_bypass(host):
            proxy = ""
        pool = self._pools.get(proxy)
        if pool is None:
            context = ssl.create_default_context()
            if not self._check_certificates:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                urllib3.disable_warnings(InsecureRequestWarning)  # the user has asked for it
            options = {"ssl_context": context, "maxsize": _CONNECTIONS}
            pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)  # type: ignore[arg-type]
            pool.pool_classes_by_scheme = self._pool_classes
            self._pools[proxy] = pool
        return pool

    def close(self) -> None:
        """Close what is open and not in use."""
        for pools in self._pools.values():
            for key in pools.pools.keys():  # noqa: SIM118 - no dictionary: it cannot be iterated over
                if (pool := pools.pools.get(key)) is not None:
                    pool.close()
            pools.clear()

    def _failure(self, url: str, error: HTTPError) -> UnreachableError:
        self._stop.check()
        reason = error.reason if isinstance(error, MaxRetryError) and error.reason is not None else error
        message = f"failed to reach {_shown(url)}"
        if isinstance(reason, SSLError):
            cause = reason.args[0] if reason.args else reason
            if isinstance(cause, ssl.SSLCertVerificationError):
                return UntrustedError(
                    f"{message}: its certificate is not valid: {cause.verify_message}",
                    hint="if you trust it all the same: --accept-invalid-remote-container-tls-certs",
                )
            if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
                return NotTlsError(
                    f"{message}: it does not speak TLS", hint="registries without TLS are used on this machine only"
                )
            return UnreachableError(f"{message}: {printable(str(cause))}")
        return UnreachableError(f"{message}: {_plain(reason)}", hint="look at the name, the network and the proxy")


def _watched_by(stop: Stop) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools by scheme whose connections end when everybody is to stop, whatever they wait for."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            stop.watch(self.sock)

    class Tls(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            stop.watch(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _server(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or url


def _plain(error: BaseException) -> str:
    """Return what is wrong, without the names of classes and addresses of objects that the library puts in front."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    text = str(error.args[-1]) if error.args else type(error).__name__
    return printable(text.rpartition(">: ")[2] or text)
