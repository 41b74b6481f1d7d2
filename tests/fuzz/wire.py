"""The command `python -m tests.fuzz.wire`: streams of frames that chance has made; ends with the first finding."""

from __future__ import annotations

import argparse
import collections
import sys
from random import Random

from tests.fuzz.wire_target import check, mutate, seeds


def attempt(seed: int, number: int) -> str:
    """Check one stream, which its seed and number make; return how it ended."""
    random = Random(f"{seed} {number}")
    role, stream = random.choice(seeds())
    data = mutate(stream, random)
    return check(role, data, [random.randint(1, 40) for _ in range(3)])


def main() -> int:
    """Run, say what came of it, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.wire", description="Streams that chance has made.")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same streams")
    parser.add_argument("--replay", type=int, metavar="NUMBER", help="only this one of the seed")
    options = parser.parse_args()
    ends: collections.Counter[str] = collections.Counter()
    for number in range(options.inputs) if options.replay is None else [options.replay]:
        try:
            ends[attempt(options.seed, number)[:60]] += 1
        except Exception:
            print(f"found something: --seed {options.seed} --replay {number}", file=sys.stderr)
            raise
    for kind, count in ends.most_common(40):
        print(f"{count:8} {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
