"""python -m tests.cluster --kills 200 --jobs 5000 --seed 1; ends with 1 if a job was not told of exactly once."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.cluster.killer import Killer


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each job")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        killer = Killer(Path(directory), workers=given.workers, seed=given.seed)
        try:
            told = killer.run(kills=given.kills, jobs=given.jobs, seconds=given.seconds)
        finally:
            killer.close()
    wrong = {number: told[number] for number in range(1, given.jobs + 1) if told[number] != 1}
    print(f"{given.jobs} jobs, {dict(killer.deeds)}: {wrong or 'each was told of once'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
