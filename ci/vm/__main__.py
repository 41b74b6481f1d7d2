"""The command line: `python -m ci.vm [--kernel NAME]... [--smoke | TESTS...]`; `--list` says which kernels there are.

What follows -- goes to pytest:

    python -m ci.vm --kernel 6.1 --user user -- tests/integration -m cgroup2

Exit code: 0 if all tests passed on all kernels, 1 if some failed, 2 for usage, 3 if a guest could not be run or came to
no end.
"""

from __future__ import annotations

import compileall
import os
import signal
import sys
import time
from pathlib import Path

import click

from ci.vm.kernels import KERNELS, Kernel, VmError, fetched
from ci.vm.machine import Plan, Size, run
from ci.vm.smoke import SMOKE, SMOKE_OF_TOO_OLD

TREE = Path(__file__).parents[2]
COMPILED = ("core", "container", "worker", "clients", "tests")


@click.command()
@click.argument("tests", nargs=-1, type=click.UNPROCESSED)
@click.option("--kernel", "names", multiple=True, type=click.Choice(list(KERNELS)), help="Default: all.")
@click.option("--smoke", is_flag=True, help="The tests that are chosen for this; the default.")
@click.option(
    "--user", "users", multiple=True, type=click.Choice(["root", "user"]), help="Default: one after the other."
)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes with tests.")
@click.option("--seconds", type=click.FloatRange(min=1), default=3600, show_default=True, help="For each kernel.")
@click.option("--shell", "command", help="Run this command of sh instead of pytest.")
@click.option("--fetch", "only_fetch", is_flag=True, help="Fetch the kernels that are not here yet, and run nothing.")
@click.option("--update", is_flag=True, help="Fetch the newest package of each kernel.")
@click.option("--list", "show_list", is_flag=True, help="Say which kernels there are, and run nothing.")
def main(
    *,
    tests: tuple[str, ...],
    names: tuple[str, ...],
    smoke: bool,
    users: tuple[str, ...],
    workers: int,
    seconds: float,
    command: str | None,
    only_fetch: bool,
    update: bool,
    show_list: bool,
) -> None:
    """Run tests of this tree on other kernels, in an emulator. What follows -- goes to pytest."""
    if show_list:
        for kernel in KERNELS.values():
            print(f"{kernel.name:8} {kernel.what}")
        return
    if smoke and tests:
        raise click.UsageError("--smoke and tests exclude each other")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # as ^C does: all is put away
    kernels = [KERNELS[name] for name in names or KERNELS]
    if only_fetch:
        sys.exit(max(fetch(kernel, again=update) for kernel in kernels))
    size = Size(processors=2, megabytes=3072, seconds=seconds)
    for folder in COMPILED:  # the guest cannot, and to compile takes it long
        compileall.compile_dir(TREE / folder, quiet=2)
    codes = []
    try:
        for kernel in kernels:
            chosen = list(tests or (SMOKE_OF_TOO_OLD if kernel.too_old else SMOKE))
            shell = ["/bin/sh", "-c", command] if command else pytest_command(chosen, workers)
            plan = make_plan(shell, list(users) or ["root", "user"])
            codes.append(try_kernel(kernel, plan, size, again=update))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(max(codes))


CACHE = ("-o", "cache_dir=/tmp/pytest-cache")
"""The tree is read-only there."""


def pytest_command(arguments: list[str], workers: int) -> list[str]:
    """Return the command that runs tests in the guest, where all takes longer."""
    parallel = ["-n", str(workers)] if workers > 1 else []
    return [sys.executable, "-m", "pytest", "-q", "--timeout", "1200", "-rfEs", *CACHE, *parallel, *arguments]


def make_plan(command: list[str], users: list[str]) -> Plan:
    """Return what the guest is to do with this tree and this interpreter."""
    prefixes = {str(TREE), os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}
    below = {path for path in prefixes if any(path.startswith(f"{other}/") for other in prefixes)}
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return Plan(str(TREE), command, users, sorted(prefixes - below - {"/usr"}), ["/root", "/home"], path)


def cache() -> Path:
    """Return where kernels are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "maelstrom-ci-vm")


def fetch(kernel: Kernel, *, again: bool) -> int:
    """Have a kernel here; 0 if it is, 3 if it cannot be had."""
    try:
        fetched(kernel, cache(), again=again)
    except VmError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


def try_kernel(kernel: Kernel, plan: Plan, size: Size, *, again: bool) -> int:
    """Run one guest; 0 if all passed, 1 if not, 3 if there is no result."""
    started = time.monotonic()
    try:
        code = run(fetched(kernel, cache(), again=again), plan, size)
    except VmError as error:
        print(f"\n##### Linux {kernel.name}: {error}", file=sys.stderr)
        return 3
    verdict = "all passed" if code == 0 else f"exit status {code}"
    print(f"\n##### Linux {kernel.name}: {verdict}, {time.monotonic() - started:.0f} s altogether", flush=True)
    return min(code, 1)


if __name__ == "__main__":
    main()
