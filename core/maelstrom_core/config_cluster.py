"""What programs are configured with that connect to a broker; importing this is cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maelstrom_core.config import Config, ImagesConfig, Value, credentials_path
from maelstrom_core.config_kinds import FilePath, Flag, HostPort, Seconds, Size, TextList

if TYPE_CHECKING:
    from maelstrom_core.dial import Endpoint


class ToBroker(Config):
    """Where the broker is, and how it and we know each other."""

    broker = Value(HostPort(), "Where the broker of the cluster is, if there is one.", default=None)
    credentials = Value(
        FilePath(),
        "File with the token for this role, as the broker's own file has it.",
        factory=credentials_path,
        default_text="maelstrom/broker/credentials.toml in the user's directory for state",
    )
    tls = Value(Flag(), "Speak TLS with the broker; --tls-ca turns it on, too.", default=False)
    tls_ca = Value(
        FilePath(),
        "Authorities, one of which the broker's certificate must be of (PEM).",
        default=None,
        default_text="those of the system",
    )
    tls_cert = Value(FilePath(), "Certificate of ours for brokers that want one (PEM).", default=None)
    tls_key = Value(FilePath(), "Its key (PEM).", default=None, default_text="in the file of the certificate")


class ClientConfig(ToBroker, ImagesConfig):
    """What every program has whose jobs can run on a cluster."""

    local = Value(Flag(), "With --broker: run jobs on this machine, too, where slots are free.", default=True)
    local_labels = Value(
        TextList(),
        "With --broker: what jobs may require that run on this machine, besides arch:...; each may hold several, by"
        " spaces.",
        default=(),
    )
    broker_timeout = Value(
        Seconds(),
        "Give up what cannot run on this machine when the broker was lost, and has not come back for so long; 0 means"
        " never.",
        default=300.0,
    )
    output_limit = Value(
        Size(),
        "Bytes that are kept of a job's standard output, and of its standard error.",
        default=16_000_000,
        default_text="16 MB",
    )


def endpoint_of(config: ToBroker, role: str) -> Endpoint | None:
    """Return where the broker is for somebody with this role, None if there is none. Raises ConfigError."""
    if config.broker is None:
        return None
    from maelstrom_core.credentials import read
    from maelstrom_core.dial import Endpoint

    host, port = config.broker
    token = read(config.credentials, role).of(role)
    if not (config.tls or config.tls_ca or config.tls_cert):
        return Endpoint(host, port, token)
    from maelstrom_core.tls import client_context

    return Endpoint(host, port, token, client_context(config.tls_ca, config.tls_cert, config.tls_key))
