"""The command: so many archives that chance has made, from a seed; ends with the first that finds something."""

from __future__ import annotations

import argparse
import collections
import resource
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.fuzz.make_corpus import CORPUS
from tests.fuzz.mutations import mutate
from tests.fuzz.target import check

MEMORY = 1 << 30


def main() -> int:
    """Run, say what came of it, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Unpack archives that chance has made.")
    parser.add_argument("--inputs", type=int, default=0, help="how many (default: until interrupted)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same archives")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="only this archive")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    corpus = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    said: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as place:
        if options.replay:
            print(check(options.replay.read_bytes(), Path(place)))
            return 0
        number = 0
        while not options.inputs or number < options.inputs:
            # each from a seed of its own, so that one can be made again without those before it
            random = Random(f"{options.seed} {number}")
            data = mutate(random.choice(corpus), random, corpus)
            try:
                said[_kind(check(data, Path(place)))] += 1
            except AssertionError:
                found = Path(f"finding-{options.seed}-{number}.tar")
                found.write_bytes(data)
                print(f"found something: python -m tests.fuzz --replay {found}", file=sys.stderr)
                raise
            number += 1
            if number % 10_000 == 0:
                print(f"{number} archives", flush=True)
    for kind, count in said.most_common():
        print(f"{count:8} {kind}")
    return 0


def _kind(message: str) -> str:
    """Return a message without the paths in it."""
    return " ".join(word for word in message.split() if "/" not in word)[:70]


if __name__ == "__main__":
    sys.exit(main())
