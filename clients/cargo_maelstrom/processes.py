"""Calls of cargo and rustc on this machine, in an event loop: whole answers, and lines as they come."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence

from cargo_maelstrom.environment import Toolchain
from maelstrom_core.errors import UserError
from maelstrom_test_runner.building import started


def find_program(name: str, environment: Mapping[str, str]) -> str:
    """Return the path of cargo or rustc: that which has called us, or that on PATH. Raises UserError."""
    named = environment.get(name.upper())
    path = named if named and os.path.isabs(named) else shutil.which(named or name, path=environment.get("PATH"))
    if path is None:
        raise UserError(
            f"failed to find {name}: it is not on PATH", hint="https://rustup.rs or the package manager installs it"
        )
    return path


async def ask(program: str, arguments: Sequence[str], directory: str) -> tuple[int, bytes, str]:
    """Return exit code, output and error output of a program. Raises UserError where it cannot be started."""
    async with started([program, *arguments], directory, guarded=False) as process:
        output, errors = await process.communicate()
    return process.returncode or 0, output, errors.decode(errors="replace")


async def stream(
    program: str,
    arguments: Sequence[str],
    directory: str,
    *,
    line: Callable[[bytes], object],
    words: Callable[[str], object] | None,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Hand on the lines of a program's output, and those of its error output, without their ends; return its exit code.

    With no `words` error output goes where ours goes; `variables` go before ours. The program and what it has started
    ends with us. Raises UserError where it cannot be started.
    """
    errors = asyncio.subprocess.PIPE if words is not None else None
    environment = {**os.environ, **variables} if variables else None
    async with started([program, *arguments], directory, environment=environment, stderr=errors) as process:
        tasks = [_lines(process.stdout, line)]
        if words is not None:
            tasks.append(_lines(process.stderr, lambda data: words(data.decode(errors="replace"))))
        await asyncio.gather(*tasks)
        return await process.wait()


async def find_toolchain(environment: Mapping[str, str], directory: str, target: str | None) -> Toolchain:
    """Find out which compiler is used, and where its libraries are. Raises UserError."""
    cargo, rustc = find_program("cargo", environment), find_program("rustc", environment)
    of_target = [f"--target={target}"] if target else []
    code, output, errors = await ask(rustc, ["--print=sysroot", "--print=target-libdir", *of_target], directory)
    lines = output.decode(errors="replace").split("\n")
    if code or len(lines) < 2:
        raise UserError(f"failed to ask rustc where its libraries are: {errors.strip()}")
    sysroot = lines[0]
    home = environment.get("HOME", "")
    cargo_home = environment.get("CARGO_HOME") or f"{home}/.cargo"
    rustup_home = environment.get("RUSTUP_HOME") or f"{home}/.rustup"
    own = f"{sysroot}/bin/cargo"
    return Toolchain(
        cargo=own if os.access(own, os.X_OK) else cargo,
        sysroot=sysroot,
        libraries=lines[1],
        cargo_home=cargo_home,
        rustup_home=rustup_home if sysroot.startswith(f"{rustup_home}/toolchains/") else None,
    )


async def _lines(stream: asyncio.StreamReader | None, take: Callable[[bytes], object]) -> None:
    assert stream is not None  # noqa: S101 - it is a pipe
    while data := await stream.readline():
        take(data.rstrip(b"\n"))
