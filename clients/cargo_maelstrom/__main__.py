"""The program cargo-maelstrom; imports only what every way of calling it needs."""

from __future__ import annotations

import sys
from typing import NoReturn

from maelstrom_core.edge import be_program


def main() -> int:
    """Run the program with the arguments of this process; return its exit code."""
    from maelstrom_client import start_nursery

    # First of all, whatever the command line wants: what pool members need is imported beside what we need.
    with start_nursery() as nursery:
        from cargo_maelstrom.program import own_arguments, run_cargo

        return run_cargo(own_arguments(sys.argv[1:]), nursery=nursery)


def program() -> NoReturn:
    """Be the program: run it, and end the process."""
    be_program("cargo-maelstrom", main)


if __name__ == "__main__":
    program()
