"""What cargo and rustc say, in an event loop: whole answers, and lines as they come."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

from cargo_maelstrom.environment import Toolchain
from maelstrom_core.errors import UserError
from maelstrom_test_runner.building import followed
from maelstrom_test_runner.children import Child


async def answer(child: Child) -> tuple[int, bytes, str]:
    """Return exit code, output and error output of a program."""
    async with followed(child) as program:
        assert program.stderr is not None  # noqa: S101 - it is a pipe
        output, errors, code = await asyncio.gather(program.stdout.read(), program.stderr.read(), program.wait())
    return code, output, errors.decode(errors="replace")


async def stream(child: Child, *, line: Callable[[bytes], object], words: Callable[[str], object]) -> int:
    """Hand on the lines of a program's output, and those of its error output, without their ends; return its exit code.

    The program and what it has started ends with us.
    """
    async with followed(child) as program:
        tasks = [_lines(program.stdout, line)]
        if program.stderr is not None:
            tasks.append(_lines(program.stderr, lambda data: words(data.decode(errors="replace"))))
        await asyncio.gather(*tasks)
        return await program.wait()


async def read_toolchain(compiler: Child, cargo: str, environment: Mapping[str, str]) -> Toolchain:
    """Return which compiler is used, and where its libraries are, as it says. Raises UserError."""
    code, output, errors = await answer(compiler)
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


async def _lines(stream: asyncio.StreamReader, take: Callable[[bytes], object]) -> None:
    while data := await stream.readline():
        take(data.rstrip(b"\n"))
