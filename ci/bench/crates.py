"""Real crates: whole commands of cargo maelstrom against cargo test and cargo nextest, in turns, after a build.

    python -m ci.bench.crates DIRECTORY... [--runs N] [-- CARGO_ARGUMENT...]

prints a table in Markdown: seconds, ratios to cargo test, geometric means. What is not installed (nextest) is left out.
`cargo test` and ours run the examples in documentation, too; with `--lib --bins --tests` behind `--` nobody does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ci.bench.whole_commands import OURS, Seconds, measure, table

PROGRAM = Path(__file__).parent.parent.parent / ".venv" / "bin" / "cargo-maelstrom"
REFERENCE = "cargo test"
PEERS: dict[str, tuple[str, ...]] = {
    REFERENCE: ("cargo", "test", "--quiet", "--no-fail-fast"),
    "nextest": ("cargo", "nextest", "run", "--no-fail-fast", "--status-level=none"),
}


def command(way: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a crate's tests in a way."""
    if way in OURS:
        return [str(PROGRAM), "--ui", "quiet", "--isolation", way, *arguments]
    return [*PEERS[way], *arguments]


def seconds(directory: Path, arguments: Sequence[str], way: str) -> float | None:
    """Return how long a run takes; None where it cannot be, or did not run all of the tests."""
    if way == "nextest" and shutil.which("cargo-nextest") is None:
        return None
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(
        command(way, arguments),
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    took = time.perf_counter() - start
    if done.returncode == 0:
        return took
    print(f"{directory.name}: {way} ended with {done.returncode}", file=sys.stderr)
    return None


def main(words: Sequence[str] | None = None) -> int:
    """Measure all crates and print the table."""
    words = sys.argv[1:] if words is None else list(words)
    split = words.index("--") if "--" in words else len(words)
    described = argparse.ArgumentParser(prog="python -m ci.bench.crates", description=__doc__.split("\n")[0])
    described.add_argument("directories", nargs="+", type=Path, metavar="DIRECTORY")
    described.add_argument("--runs", type=int, default=5, help="how often each way is measured (default: 5)")
    options = described.parse_args(words[:split])
    ways, results = [*PEERS, *OURS], dict[str, Seconds]()
    for directory in options.directories:
        results[directory.name] = measure(partial(seconds, directory, words[split + 1 :]), ways, options.runs)
        print(f"{directory.name}: {results[directory.name]}", file=sys.stderr, flush=True)
    print("\n".join(table(results, ways, REFERENCE, kind="crate")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
