"""The command: so many schedules from a seed; ends with the first that goes wrong, which its name makes again."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.world import World


def main() -> int:
    """Run, say what came of it, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Random schedules of a cluster.")
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same schedules")
    parser.add_argument("--replay", type=int, metavar="NUMBER", help="only this one of the seed")
    parser.add_argument("--mutants", action="store_true", help="look for deliberate bugs instead")
    options = parser.parse_args()
    if options.mutants:
        return find_mutants(options.schedules, options.seed)
    began, events = time.monotonic(), 0
    for number in range(options.schedules) if options.replay is None else [options.replay]:
        world = World(f"{options.seed} {number}")
        try:
            world.run()
        except BaseException:
            print(
                f"python -m tests.simulation --seed {options.seed} --replay {number}"
                f"  # at {world.clock.now:.3f} s, event {world.events}",
                file=sys.stderr,
            )
            raise
        events += world.events
        if (number + 1) % 1000 == 0:
            print(f"{number + 1} schedules, {events} events, {time.monotonic() - began:.0f} s", flush=True)
    return 0


def find_mutants(schedules: int, seed: int) -> int:
    """Say of each deliberate bug in which schedule it is found, and as what."""
    from tests.simulation.mutants import MUTANTS

    missed = 0
    for name, mutant in MUTANTS.items():
        found = mutant.found(schedules, seed)
        missed += found is None
        print(f"{name}: {'MISSED' if found is None else f'schedule {found[0]}, {found[1]}'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
