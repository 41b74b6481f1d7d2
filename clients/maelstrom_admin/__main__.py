"""The program maelstrom-admin; imports only what every way of calling it needs."""

from __future__ import annotations

import sys
from typing import NoReturn

from maelstrom_admin.config import PROGRAM
from maelstrom_core.edge import leave, name_streams, run_program


def main() -> int:
    """Run the program with the arguments of this process; return its exit code."""

    def inner() -> int:
        from maelstrom_admin.cli import run_cli

        return run_cli(sys.argv[1:])

    return run_program(PROGRAM.name, inner)


def program() -> NoReturn:
    """Be the program: run it, and end the process."""
    name_streams()
    leave(main())


if __name__ == "__main__":
    program()
