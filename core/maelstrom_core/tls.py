"""TLS for whoever serves or connects: contexts of `ssl` from files. Version 1.3 only.

Both sides of a cluster are of the same version of Maelstrom, so nothing older is to be spoken to. Import it where TLS
is wanted: ssl is dear. Imports `errors` of the project only.
"""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path

from maelstrom_core.errors import ConfigError


def server_context(certificate: Path, key: Path | None = None, client_ca: Path | None = None) -> ssl.SSLContext:
    """Return what a server needs: its certificate, with those between it and the authority, and its key.

    The key may stand in the file of the certificate. With `client_ca` who connects must have a certificate of one of
    the authorities in that file. Raises ConfigError for files that are not such.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _load_certificate(context, certificate, key)
    if client_ca is not None:
        _load_authorities(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Return what somebody needs who connects; the name that is connected to must be in the server's certificate.

    `ca` has the authorities that are trusted, instead of those of the system. `certificate` and `key` are shown to
    servers that want one. Raises ConfigError for files that are not such.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load_authorities(context, ca)
    if certificate is not None:
        _load_certificate(context, certificate, key)
    return context


def explain(error: ssl.SSLError) -> str:
    """Return what is wrong with a connection, in words for its user."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not to be trusted: {error.verify_message}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "wrong version number" in reason or "record layer failure" in reason:
        return "the other side does not speak TLS"
    if "certificate required" in reason:
        return "the other side wants a certificate of ours"
    return f"TLS failed: {reason}"


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def password() -> str:
        raise ConfigError(f"the key {key or certificate} is encrypted", hint="openssl pkey -in KEY -out PLAIN_KEY")

    _look_at(certificate)
    private = key or certificate
    if _look_at(private) & stat.S_IRWXO:
        raise ConfigError(f"the key {private} can be read by others", hint=f"chmod o= {private}")
    try:
        context.load_cert_chain(certificate, key, password=password)
    except ssl.SSLError as error:
        raise ConfigError(
            f"failed to use the certificate {certificate} with the key {private}: {_words(error)}",
            hint="both are PEM, and the key is that of the first certificate in the file",
        ) from None


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    _look_at(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ConfigError(
            f"failed to use the certificates of authorities in {path}: {_words(error)}", hint="they are PEM"
        ) from None


def _look_at(path: Path) -> int:
    """Return the mode of a file that can be read; raises ConfigError."""
    try:
        with path.open("rb") as stream:
            return os.fstat(stream.fileno()).st_mode
    except OSError as error:
        raise ConfigError(f"failed to read {path}: {error.strerror}") from None


def _words(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or str(error)).lower().replace("_", " ")
