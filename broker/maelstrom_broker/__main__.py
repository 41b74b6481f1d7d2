"""The program maelstrom-broker; imports only what every way of calling it needs."""

from __future__ import annotations

import sys
from typing import NoReturn

from maelstrom_broker.config import PROGRAM, BrokerConfig
from maelstrom_core.edge import leave, name_streams, run_program

SUMMARY = """Give the jobs of clients to workers.

Listens on the loopback interface, unless told otherwise. Whoever connects must have the token of its role: tokens
are made on the first start."""


def main() -> int:
    """Run the program with the arguments of this process; return its exit code."""

    def inner() -> int:
        from maelstrom_core.config_click import build_command, run_command

        return run_command(build_command(PROGRAM, BrokerConfig, run, summary=SUMMARY), sys.argv[1:])

    return run_program(PROGRAM.name, inner)


def run(config: BrokerConfig) -> int:
    """Serve until told to stop."""
    import uvloop

    from maelstrom_broker.service import serve
    from maelstrom_core import log
    from maelstrom_core.credentials import make_or_read

    log.listen(config.log_level)
    return uvloop.run(serve(config, make_or_read(config.credentials)))


def program() -> NoReturn:
    """Be the program: run it, and end the process."""
    name_streams()
    leave(main())


if __name__ == "__main__":
    program()
