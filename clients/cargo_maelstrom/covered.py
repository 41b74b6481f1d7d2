"""The report of coverage when all tests have run: profiles are merged and read with the tools of LLVM.

rustup has them (`rustup component add llvm-tools`), and so have distributions, where their version goes with the
compiler's. What comes first that can read the profiles is used. Without any the profiles stay, and it is said where.
Writes files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cargo_maelstrom.coverage import (
    DIRECTORY,
    SUFFIX,
    Measured,
    Subject,
    by_version,
    ignored_files,
    parse_lcov,
    profiles_in,
    table,
)
from maelstrom_core.errors import UserError

PREFIX = "profraw-"
KEPT = "profraw"
PROFILE, TRACE = "coverage.profdata", "lcov.info"
OLD = 24 * 3600.0
"""Seconds after which a directory of profiles is nobody's."""


class Tools(NamedTuple):
    """Two programs of one version of LLVM."""

    merge: str
    export: str


def open_measured(target_directory: str, files: int, *, elsewhere: bool = False) -> Measured:
    """Make the directories of a run, for profiles of `files` processes at a time. Raises UserError."""
    directory = Path(target_directory, DIRECTORY)
    try:
        Path(directory, "target").mkdir(parents=True, exist_ok=True)
        _remove_old(directory)
        profiles = tempfile.mkdtemp(prefix=PREFIX, dir=directory)
    except OSError as error:
        raise UserError(f"failed to make a directory for coverage in {directory}: {error.strerror}") from error
    return Measured(str(directory), profiles, files, elsewhere)


def keep(measured: Measured, profiles: bytes) -> None:
    """Keep what one job has brought. Raises UserError."""
    try:
        with tempfile.NamedTemporaryFile(dir=measured.profiles, suffix=SUFFIX, delete=False) as file:
            file.write(profiles)
    except OSError as error:
        raise UserError(f"failed to keep coverage in {measured.profiles}: {error.strerror}") from error


def report_coverage(subject: Subject, environment: Mapping[str, str], say: Callable[[str], object]) -> None:
    """Say which part of each file was run, and leave files with it."""
    measured = subject.measured
    profiles = profiles_in(measured.profiles)
    if not profiles:
        say("coverage: no process has left a profile")
        return
    problems: list[str] = []
    for tools in find_tools(subject.toolchain.sysroot, environment):
        problem = _report(subject, tools, profiles, say)
        if problem is None:
            return
        problems.append(problem)
    kept = _keep(measured)
    first = f", and {problems[0]}" if problems else ""
    say(
        f"coverage: nothing here can read the profiles{first}; `rustup component add llvm-tools` has what can. They "
        f"are in {kept}: `llvm-profdata merge -sparse -o {PROFILE} {kept}/*.profraw` merges them, `llvm-cov report "
        f"-instr-profile={PROFILE} {subject.programs[0] if subject.programs else 'PROGRAM'}` reads that"
    )


def discard(measured: Measured) -> None:
    """Remove the profiles of a run."""
    shutil.rmtree(measured.profiles, ignore_errors=True)


def find_tools(sysroot: str, environment: Mapping[str, str]) -> Iterator[Tools]:
    """Yield what there is: what variables name, the compiler's own, that on PATH without and with a version."""
    if (merge := environment.get("LLVM_PROFDATA")) and (export := environment.get("LLVM_COV")):
        yield Tools(merge, export)
    own = [str(path.parent) for path in Path(sysroot).glob("lib/rustlib/*/bin/llvm-profdata")]
    path = environment.get("PATH", os.defpath)
    for place in (*own, path):
        merge, export = (shutil.which(name, path=place) for name in Tools("llvm-profdata", "llvm-cov"))
        if merge and export:
            yield Tools(merge, export)
    names = {each.name for place in path.split(os.pathsep) for each in Path(place or ".").glob("llvm-cov-*")}
    for name in by_version(names):
        version = name.rpartition("-")[2]
        merge, export = shutil.which(f"llvm-profdata-{version}", path=path), shutil.which(name, path=path)
        if merge and export:
            yield Tools(merge, export)


def _report(subject: Subject, tools: Tools, profiles: Sequence[str], say: Callable[[str], object]) -> str | None:
    """Merge, read and say; or return what is wrong with these tools."""
    measured = subject.measured
    profile, trace = Path(measured.directory, PROFILE), Path(measured.directory, TRACE)
    merged = Path(measured.profiles, PROFILE)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as names:  # more than fit into a command line
        names.write("".join(f"{profile}\n" for profile in profiles))
        names.flush()
        problem, _ = _call([tools.merge, "merge", "-sparse", "-o", str(merged), f"-input-files={names.name}"])
    if problem:
        return problem
    first, *others = subject.programs
    ignored = ignored_files(
        subject.root, subject.toolchain.cargo_home, subject.toolchain.sysroot, measured.target_directory
    )
    objects = [word for program in others for word in ("-object", program)]
    options = ["-format=lcov", f"-instr-profile={merged}", f"-ignore-filename-regex={ignored}"]
    problem, text = _call([tools.export, "export", *options, first, *objects])
    if problem:
        return problem
    merged.replace(profile)
    fresh = Path(measured.profiles, TRACE)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(trace)
    say("\n".join(["", "Coverage of lines:", *(f"    {line}" for line in table(parse_lcov(text), subject.root))]))
    say(f"line by line: {trace} (lcov), {profile} (llvm-cov)")
    return None


def _call(command: Sequence[str]) -> tuple[str, str]:
    """Return what is wrong, "" for nothing, and what a program has printed."""
    name = os.path.basename(command[0])
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        return f"{name} could not be started: {error.strerror}", ""
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return f"{command[0]} says: {words[0] if words else f'exit code {done.returncode}'}", ""
    return "", done.stdout.decode(errors="replace")


def _keep(measured: Measured) -> str:
    """Give the profiles a place that is the same after every run."""
    place = Path(measured.directory, KEPT)
    with contextlib.suppress(OSError):
        shutil.rmtree(place, ignore_errors=True)
        Path(measured.profiles).rename(place)
        return str(place)
    return measured.profiles


def _remove_old(directory: Path) -> None:
    """Remove what runs have left that were killed."""
    for path in directory.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > OLD:
                shutil.rmtree(path, ignore_errors=True)
