"""The broker's process: everything that it listens on, from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
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
from maelstrom_core.exposure import is_loopback, may_listen, open_files

INTERRUPTED = 130
OUTPUTS = 8
"""How much smaller than the store the one of what jobs have printed is."""


async def serve(config: BrokerConfig, credentials: Credentials) -> int:
    """Serve until told to stop; return the exit code. Raises ConfigError."""
    tls = server_tls(config)
    may_listen(config.listen, tls=tls is not None)
    if config.http is not None:
        may_listen(config.http.host, tls=tls is not None, option="http")
    limits = Limits(connections=open_files(Limits().connections), per_address=config.connections_per_address)
    outputs = Store(config.store / "outputs", config.store_size // OUTPUTS)
    server = Server(Broker(), credentials, limits, Store(config.store, config.store_size), outputs)
    code = 0

    def interrupted() -> None:
        nonlocal code
        code = INTERRUPTED
        server.stopped.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.stopped.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    with contextlib.ExitStack() as stack:
        listening = server.listen(config.listen, config.port, tls)
        stack.callback(listening.close)
        where = Address(listening.host, listening.port)
        told = f"listening on {where}"
        if config.http is not None:
            told += f", web page at {_show(stack, server, config.http, credentials, tls)}"
        print(f"{told}, tokens in {config.credentials}", flush=True)  # noqa: T201 - who starts it wants to know
        notify.tell("READY=1", f"STATUS={told}")
        await server.stopped.wait()
        notify.tell("STOPPING=1")
    server.close("the broker stops")
    await asyncio.sleep(0)
    return code


def _show(
    stack: contextlib.ExitStack,
    server: Server,
    address: Address,
    credentials: Credentials,
    tls: ssl.SSLContext | None,
) -> str:
    """Serve the web page and its like until the stack is left; return its URL. On loopback no token is wanted."""
    from maelstrom_broker.web import Web

    web = Web(server, None if is_loopback(address.host) else lambda token: credentials.permits("monitor", token))
    listening = web.site.listen(address.host, address.port, tls, "http")
    stack.callback(web.close)
    stack.callback(listening.close)
    web.watch()
    return f"{'http' if tls is None else 'https'}://{Address(listening.host, listening.port)}/"


def server_tls(config: BrokerConfig) -> ssl.SSLContext | None:
    """Return the context for those who connect, if TLS is wanted; raises ConfigError."""
    from maelstrom_core.errors import ConfigError

    if config.tls_cert is None:
        if config.tls_key is not None or config.tls_client_ca is not None:
            raise ConfigError("there is no TLS without a certificate", hint="say which one with --tls-cert")
        return None
    from maelstrom_core.tls import server_context

    return server_context(config.tls_cert, config.tls_key, config.tls_client_ca)
