"""The program maelstrom-run; imports only what every way of calling it needs."""

from __future__ import annotations

import sys

from maelstrom_core.edge import run_program


def main() -> int:
    """Run the program with the arguments of this process; return its exit code."""

    def inner() -> int:
        from maelstrom_run.backend import LocalBackend
        from maelstrom_run.cli import run_cli

        return run_cli(sys.argv[1:], LocalBackend())

    return run_program("maelstrom-run", inner)


if __name__ == "__main__":
    sys.exit(main())
