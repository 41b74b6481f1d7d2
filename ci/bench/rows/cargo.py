"""cargo: a built crate of a thousand small tests through cargo-maelstrom, against cargo nextest and cargo test.

nextest starts a process for each test and isolates nothing else; `cargo test` runs all of them in one process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.bench.measure import Bench, Sample, paired
from ci.bench.programs import BenchError, PeerError, cache_directory

TESTS = {"src/lib.rs": 600, "tests/first.rs": 200, "tests/second.rs": 200}
MANIFEST = """\
[package]
name = "small"
version = "0.1.0"
edition = "2021"
[workspace]
[lib]
doctest = false
[profile.dev]
debug = 0
"""
ONE = "#[test] fn number_{}() {{ assert_eq!((0..1000u64).sum::<u64>(), 499_500); }}\n"


@contextmanager
def crate() -> Iterator[Path]:
    """Make and build the crate. Raises PeerError where there is no cargo."""
    if shutil.which("cargo") is None:
        raise PeerError("there is no cargo here")
    # as people's projects are: not on a file system that each job gets anew, which /tmp is
    with tempfile.TemporaryDirectory(prefix="maelstrom-bench-", dir="/var/tmp") as name:
        directory = Path(name)
        (directory / "Cargo.toml").write_text(MANIFEST)
        for path, count in TESTS.items():
            (directory / path).parent.mkdir(exist_ok=True)
            (directory / path).write_text("".join(ONE.format(number) for number in range(count)))
        seconds(["cargo", "test", "--no-run", "--quiet"], directory)
        yield directory


def seconds(command: list[str], directory: Path) -> float:
    """Run a command in a directory; return how long it took. Raises BenchError."""
    began = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=directory, capture_output=True, check=False, env=environment)
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-500:]
        raise BenchError(f"{' '.join(command)} failed with exit code {done.returncode}: {said}")
    return time.perf_counter() - began


def against(command: list[str], *options: str, name: str, reach: float | None) -> Bench:
    """Return the benchmark against one command, of ours with these options."""
    native = command[1] == "test"

    @contextmanager
    def prepare() -> Iterator[tuple[Sample, Sample]]:
        if not native and shutil.which("cargo-nextest") is None:
            raise PeerError("there is no cargo-nextest here")
        own = [
            str(Path(sys.executable).parent / "cargo-maelstrom"),
            "--cache-root",
            str(cache_directory()),
            "--ui=quiet",
            *options,
        ]
        with crate() as directory:
            yield lambda: seconds(own, directory), lambda: seconds(command, directory)

    ours, reference = paired(prepare)
    return Bench(
        name=name,
        what=f"a built crate of 1,000 small tests, whole commands{' '.join(['', *options])}; {' '.join(command[:2])}",
        unit="s",
        better="less",
        reach=reach,
        ours=ours,
        reference=reference,
        runs=5,
    )


NATIVELY = ["cargo", "test", "--quiet"]
NEXTEST = against(["cargo", "nextest", "run", "--hide-progress-bar", "--status-level=fail"], name="cargo", reach=1.1)
CARGO_TEST = against(NATIVELY, name="cargo-test", reach=1.0)
CARGO_AUTO = against(NATIVELY, "--isolation=auto", name="cargo-auto", reach=1.0)
