"""go: the whole command over a module whose test binaries are built, against go test, which links them anew each time.

`gotestsum` has that runner as its reference, which shows and reports what `go test -json` says. `go-many` is the
hardest case for us: one package, with tests so short that to start a process for each costs more; `go-many-auto` is the
same where cheap tests share one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ci.bench.measure import Bench, Sample
from ci.bench.programs import BUILD, REPOSITORY, PeerError, cache_directory, run
from ci.bench.rows.forks import milliseconds

PROGRAM = REPOSITORY / ".venv" / "bin" / "maelstrom-go-test"
HEAD = 'package {name}\n\nimport (\n\t"testing"\n\t"time"\n)\n'
TEST = "\nfunc Test{number}(t *testing.T) {{ time.Sleep(time.Millisecond) }}\n"


def module(packages: int, tests: int) -> Path:
    """Return the directory of a module with so many packages, of so many tests of a millisecond each."""
    directory = BUILD / f"go-{packages}-{tests}"
    for number in range(packages):
        name = f"p{number}"
        text = HEAD.format(name=name) + "".join(TEST.format(number=each) for each in range(tests))
        path = directory / name / f"{name}_test.go"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:  # else it would be built anew
            path.write_text(text)
    (directory / "go.mod").write_text("module example.com/bench\n\ngo 1.21\n")
    return directory


@contextmanager
def side(command: list[str], packages: int, tests: int, warm: int) -> Iterator[Sample]:
    """Yield milliseconds of a command in the module; what it builds is built before."""
    for program in ("go", command[0]):
        if shutil.which(program) is None:
            raise PeerError(f"{program} is not in PATH")
    inside = ["env", "-C", str(module(packages, tests)), "GOFLAGS=-buildvcs=false", *command]

    for _ in range(warm):
        run(inside)
    yield lambda: milliseconds(inside)


def ours_command(*options: str) -> list[str]:
    """Return our command, with the cache of benchmarks."""
    return [str(PROGRAM), "--cache-root", str(cache_directory()), "--ui", "quiet", *options]


def row(name: str, packages: int, tests: int, *options: str, peer: tuple[str, ...] = ("go", "test")) -> Bench:
    """Return the comparison, of ours with these options, for a module with `peer`: go test or what calls it."""
    return Bench(
        name=name,
        what=f"{packages * tests} tests of 1 ms in {packages} packages, binaries built{' '.join(['', *options])}; "
        f"{' '.join(peer)} -count=1",
        unit="ms",
        better="less",
        reach=1.0 if peer[0] == "go" and (packages > 1 or options) else None,
        ours=lambda: side(ours_command(*options), packages, tests, 2),
        reference=partial(side, [*peer, "-count=1", "./..."], packages, tests, 1),
        runs=5,
    )


GO = row("go", 10, 20)
SUM = row("gotestsum", 10, 20, peer=("gotestsum", "--format=pkgname", "--"))
MANY = row("go-many", 1, 1000)
MANY_AUTO = row("go-many-auto", 1, 1000, "--isolation=auto")
