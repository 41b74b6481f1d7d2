"""A cluster of hosts, each with an address and a disk of its own, to which chance does what happens to machines.

    python -m tests.cluster --kills 200 --seed 1                    # jobs as long as deeds are left
    python -m tests.cluster --kills 0 -- maelstrom_run --map ...    # a program on the client's host, and its exit code

Ends with 1 if a job was not told of exactly once, or not rightly, if a program's exit code was wrong, or if something
is left. Needs no privileges: it runs in a `machine` of its own.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import machine
from tests.cluster.plan import Deed, deeds

WITHIN = "MAELSTROM_TEST_WITHIN"
SKIPPED = 77
"""The exit code where this machine does not allow it."""


def main() -> int:
    """Run it once; first of all, move into a machine of our own."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="deeds; of a program's run: at most")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-outages", action="store_true", help="nothing that takes longer than a few seconds")
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--disk", type=int, default=250, metavar="MB", help="size of each host's disk")
    parser.add_argument("--cache", type=int, default=30, metavar="MB", help="size of each worker's cache")
    parser.add_argument("--store", type=int, default=150, metavar="MB", help="size of the broker's store")
    parser.add_argument("--logs", type=Path, help="directory for what the programs have said")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where the program runs")
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, program = parser.parse_args(sys.argv[1:at]), sys.argv[at + 1 :]
    if WITHIN not in os.environ:
        missing = machine.what_is_missing()
        if missing is not None:
            print(f"left out: {missing}")
            return SKIPPED
        sys.stdout.flush()
        os.environ[WITHIN] = "1"
        os.execvp(machine.WITHIN[0], [*machine.WITHIN, sys.executable, "-m", "tests.cluster", *sys.argv[1:]])
    from tests.cluster.trial import Trial

    trial = Trial(given.workers, given.seed, given.plain, (given.disk, given.cache, given.store))
    try:
        chosen: Iterator[Deed] = itertools.islice(
            deeds(given.seed, trial.workers, outages=not given.no_outages), given.kills
        )
        began = time.monotonic()
        good = trial.run_program(chosen, program, given.directory) if program else trial.run_jobs(chosen)
        print(f"{time.monotonic() - began:.0f} s: {'all good' if good else 'WRONG'}")
    finally:
        if given.logs is not None:
            trial.save_logs(given.logs)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
