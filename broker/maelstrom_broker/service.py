"""The broker's process: everything that it listens on, from start to stop."""

from __future__ import annotations

import asyncio
import signal
import ssl

from maelstrom_broker.broker import Broker
from maelstrom_broker.config import BrokerConfig
from maelstrom_broker.server import Server
from maelstrom_broker.store import Store
from maelstrom_core import notify
from maelstrom_core.admission import Limits
from maelstrom_core.config_kinds import Address
from maelstrom_core.credentials import Credentials
from maelstrom_core.exposure import may_listen, open_files

INTERRUPTED = 130


async def serve(config: BrokerConfig, credentials: Credentials) -> int:
    """Serve until told to stop; return the exit code. Raises ConfigError."""
    tls = server_tls(config)
    may_listen(config.listen, tls=tls is not None)
    limits = Limits(connections=open_files(Limits().connections), per_address=config.connections_per_address)
    server = Server(Broker(), credentials, limits, Store(config.store, config.store_size))
    code = 0

    def interrupted() -> None:
        nonlocal code
        code = INTERRUPTED
        server.stopped.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.stopped.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    listening = await server.listen(config.listen, config.port, tls)
    where = Address(*listening.sockets[0].getsockname()[:2])
    print(f"listening on {where}, tokens in {config.credentials}", flush=True)  # noqa: T201 - who starts it wants to know
    notify.tell("READY=1", f"STATUS=listening on {where}")
    await server.stopped.wait()
    notify.tell("STOPPING=1")
    listening.close()
    server.close("the broker stops")
    await asyncio.sleep(0)
    return code


def server_tls(config: BrokerConfig) -> ssl.SSLContext | None:
    """Return the context for those who connect, if TLS is wanted; raises ConfigError."""
    from maelstrom_core.errors import ConfigError

    if config.tls_cert is None:
        if config.tls_key is not None or config.tls_client_ca is not None:
            raise ConfigError("there is no TLS without a certificate", hint="say which one with --tls-cert")
        return None
    from maelstrom_core.tls import server_context

    return server_context(config.tls_cert, config.tls_key, config.tls_client_ca)
