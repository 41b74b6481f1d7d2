"""The program maelstrom-broker; imports only what every way of calling it needs."""

from __future__ import annotations

import sys
from typing import NoReturn

from maelstrom_broker.config import PROGRAM, BrokerConfig
from maelstrom_core.edge import leave, name_streams, run_program

SUMMARY = """Give the jobs of clients to workers.

Listens on the loopback interface only. Whoever connects must have the token: it is made on the first start."""


def main() -> int:
    """Run the program with the arguments of this process; return its exit code."""

    def inner() -> int:
        from maelstrom_core.config_click import build_command, run_command

        return run_command(build_command(PROGRAM, BrokerConfig, run, summary=SUMMARY), sys.argv[1:])

    return run_program(PROGRAM.name, inner)


def run(config: BrokerConfig) -> int:
    """Serve until told to stop."""
    import uvloop

    from maelstrom_broker.token import token_of
    from maelstrom_core import log

    log.listen(config.log_level)
    token = token_of(config.token_file)
    return uvloop.run(_serve(config, token))


async def _serve(config: BrokerConfig, token: str) -> int:
    import asyncio
    import signal

    from maelstrom_broker.broker import Broker
    from maelstrom_broker.server import Server
    from maelstrom_broker.store import Store
    from maelstrom_core.errors import ConfigError

    stop = asyncio.Event()
    code = 0

    def interrupted() -> None:
        nonlocal code
        code = 130
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    server = Server(Broker(), token, Store(config.store, config.store_size))
    try:
        listening = await server.listen(config.port)
    except OSError as error:
        raise ConfigError(
            f"failed to listen on port {config.port} of 127.0.0.1: {error.strerror}",
            hint="choose another one with --port, or 0 for any that is free",
        ) from None
    host, port = listening.sockets[0].getsockname()
    print(f"listening on {host}:{port}, token in {config.token_file}", flush=True)
    await stop.wait()
    listening.close()
    server.close("the broker stops")
    await asyncio.sleep(0)
    return code


def program() -> NoReturn:
    """Be the program: run it, and end the process."""
    name_streams()
    leave(main())


if __name__ == "__main__":
    program()
