"""What maelstrom-broker can be configured with; importing this is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from maelstrom_core.config import LoggingConfig, Program, Value, cache_directory, credentials_path
from maelstrom_core.config_kinds import FilePath, HostPort, Integer, Size, Text

PROGRAM = Program("maelstrom-broker", "broker")


def store_path(environ: Mapping[str, str]) -> Path:
    """Return where artifacts are unless told otherwise: beside the caches of other programs."""
    return cache_directory(environ) / "broker"


class BrokerConfig(LoggingConfig):
    """What can be configured."""

    listen = Value(
        Text(),
        "Address of this machine to listen on. Beyond the loopback interface TLS is needed: --tls-cert.",
        default="127.0.0.1",
    )
    port = Value(Integer(0, 65535), "TCP port; 0 means any that is free.", default=0, short="p")
    credentials = Value(
        FilePath(),
        "File with a token for each role (client, worker, monitor, admin), which whoever connects must have;"
        " made, with random ones, if it is not there.",
        factory=credentials_path,
        default_text="maelstrom/broker/credentials.toml in the user's directory for state",
    )
    http = Value(
        HostPort(),
        "Serve the web page, /api, /metrics and /healthz there; port 0 means any that is free. Beyond the loopback"
        " interface TLS is needed, and the token of a monitor or admin.",
        default=None,
    )
    tls_cert = Value(
        FilePath(),
        "Certificate of this broker (PEM), with those between it and the authority: turns TLS on.",
        default=None,
    )
    tls_key = Value(FilePath(), "Its key (PEM).", default=None, default_text="in the file of the certificate")
    tls_client_ca = Value(
        FilePath(),
        "Whoever connects must have a certificate of one of the authorities in this file (PEM).",
        default=None,
    )
    connections_per_address = Value(
        Integer(1, 10_000),
        "Connections at a time from one address of another machine, at most.",
        default=2000,
    )
    store = Value(
        FilePath(),
        "Directory for artifacts: what clients' jobs need, kept for workers. One broker uses it at a time.",
        factory=store_path,
        default_text="maelstrom/broker in the user's directory for caches",
    )
    store_size = Value(
        Size(),
        "Size of the store, at most: what was used longest ago makes room, unless a job needs it. Another"
        " eighth of it is for what jobs print that exceeds what comes with their results.",
        default=50_000_000_000,
    )
