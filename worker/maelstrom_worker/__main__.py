"""The program maelstrom-worker; imports only what every way of calling it needs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from maelstrom_core.edge import leave, name_streams, run_program

if TYPE_CHECKING:
    from maelstrom_worker.nursery import Nursery

SUMMARY = """Run the jobs of a broker on this machine, each in its own container.

Connects to the broker, again and again if need be. Told to stop (SIGTERM, or ^C) it takes no more jobs and ends when
those that run have ended; told so a second time it stops them."""


def main() -> int:
    """Run the program with the arguments of this process; return its exit code."""

    def inner() -> int:
        from maelstrom_worker.nursery import Nursery

        # First of all: what pool members need is imported beside what we need.
        with Nursery.start() as nursery:
            return run_cli(nursery)

    return run_program("maelstrom-worker", inner)


def run_cli(nursery: Nursery) -> int:
    """Do what the command line wants; return the exit code."""
    import click

    from maelstrom_core import log
    from maelstrom_core.config_click import build_command, run_command
    from maelstrom_worker.config import PROGRAM, WorkerConfig

    def run(config: WorkerConfig, *, check: bool) -> int:
        log.listen(config.log_level)
        if check:
            from maelstrom_container.doctor import main as doctor

            return doctor(config.cache_root)
        from maelstrom_worker.service import serve

        return serve(config, nursery)

    option = click.Option(["--check"], is_flag=True, help="Check whether this machine allows containers, and exit.")
    return run_command(build_command(PROGRAM, WorkerConfig, run, summary=SUMMARY, parameters=[option]), sys.argv[1:])


def program() -> NoReturn:
    """Be the program: run it, and end the process."""
    name_streams()
    leave(main())


if __name__ == "__main__":
    program()
