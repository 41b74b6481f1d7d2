"""The tests of go packages, as `native_course` wants them: which there are, the job of each, what its outcome means.

Packages are listed, their test binaries built, and each is asked for its tests as soon as it is there, in a job: a
binary can do anything before it answers. Tests run while other packages are built.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Hashable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_core.job import Exited, Outcome
from maelstrom_core.spec import Grace, JobSpec
from maelstrom_go_test import coverage, messages, sources, verdict
from maelstrom_go_test.building import Builder
from maelstrom_go_test.caching import LOG, Keeper
from maelstrom_go_test.flags import PROFILE, Wanted, top_pattern, whole_pattern
from maelstrom_go_test.inputs import Inputs
from maelstrom_go_test.packages import Package
from maelstrom_go_test.place import BINARIES, Place, Places
from maelstrom_go_test.rules import facts, package_facts
from maelstrom_go_test.tool import Go
from maelstrom_test_runner.directives import Directives, Treatment
from maelstrom_test_runner.filters import selects
from maelstrom_test_runner.native import Case, Found, Isolation, Verdict, effects_of, not_run, output_text
from maelstrom_test_runner.runner import Runner
from maelstrom_test_runner.selecting import Selection
from maelstrom_test_runner.status import Status

KINDS = ("Test", "Fuzz", "Example")
LONGEST = 100_000
"""Characters of names that go into one argument: the kernel takes 128 KiB."""


class Data(NamedTuple):
    """What is known of a test beside what everybody knows."""

    package: Package
    program: str
    """Its binary, in the container."""
    name: str
    part: int = 0
    """Tests of a package that share a process are of one part: their names fit into one argument."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run, and how."""

    patterns: tuple[str, ...]
    """Packages, as go names them."""
    wanted: Wanted
    selection: Selection
    directives: Directives
    binaries: Path
    grace: float = 0.0
    isolation: Isolation = Isolation.TEST
    verbose: bool = False
    whole_output: bool = False
    """Keep all that tests have written, for a display."""
    profile: Path | None = None
    """Where a profile of coverage is to be written."""
    timeout: float | None = None
    """What the command line says of the time of a test."""
    cache: bool = False
    """Keep results, and do not run what is kept."""
    outputs: tuple[Path, ...] = ()
    """Files that this run writes; absolute."""


class GoRunner:
    """A `native.NativeRunner`; `place` is completed by what go says of itself."""

    def __init__(self, go: Go, plan: Plan, place: Place) -> None:
        self._go = go
        self._plan = plan
        self._place = place
        self._places: Places | None = None
        self._grace = Grace(plan.grace, signal.SIGABRT) if plan.grace else None
        self._keeping: asyncio.Task[None] | None = None
        self._keeper: Keeper | None = None
        self.covered: dict[str, coverage.Merged] = {}
        """By import path, in the order of the packages."""
        self._tested: list[str] = []
        self._untold = coverage.Merged()
        """What there is to cover in packages that are not tested, of all of them."""

    @property
    def mode(self) -> str:
        """How coverage is measured."""
        return self._plan.wanted.mode

    def measured(self, name: str) -> str:
        """Return of which packages the tests of one measure coverage, as patterns; "" where of itself only."""
        return self._plan.wanted.coverpkg if name in self._tested else ""

    @property
    def profile(self) -> Path | None:
        """Where a profile is to be written."""
        return self._plan.profile

    async def find(self, found: Found, runner: Runner) -> None:
        """Find the tests."""
        found.busy("listing the packages")
        installed, packages = await asyncio.gather(self._go.installed(), self._packages())
        self._places = Places(msgspec.structs.replace(self._place, installed=installed), packages)
        for package in packages:
            if package.Error is not None and not package.has_tests:
                found.broken(package.ImportPath, _setup_failed(package))
        selection = self._plan.selection
        tested = [
            package
            for package in packages
            if package.has_tests and selects(selection.include, selection.exclude, package_facts(package)) is not False
        ]
        untested = await self._untested(packages) if self._plan.wanted.covers else []
        if self._plan.wanted.covers:
            wanted = {package.ImportPath for package in (*tested, *untested)}
            self.covered = {each.ImportPath: coverage.Merged() for each in packages if each.ImportPath in wanted}
            self._tested = [package.ImportPath for package in tested]
        if tested:
            await self._build(found, runner, tested)
        if untested:
            await self._cover_untested([package.ImportPath for package in untested])

    async def _untested(self, packages: Sequence[Package]) -> list[Package]:
        """Return the packages without tests of which coverage is wanted."""
        wanted = self._plan.wanted
        if wanted.coverpkg:
            packages = await self._go.packages(wanted, wanted.coverpkg.split(","))
        return [package for package in packages if package.has_code and not package.has_tests and package.Module]

    def complete_coverage(self) -> None:
        """Count what is to be covered and is in none of a package's own tests, as go has done since 1.22."""
        if not self._plan.wanted.coverpkg:
            return
        everything = [block for merged in (*self.covered.values(), self._untold) for block in merged.counts]
        for name in self._tested:
            self.covered[name].add_missing(everything)

    async def _packages(self) -> list[Package]:
        """Return the packages. Raises UserError, also where nobody named any and the directory is none of a module."""
        patterns = self._plan.patterns or await self._go.all_patterns(self._plan.wanted)
        packages = await self._go.packages(self._plan.wanted, patterns)
        if not self._plan.patterns and packages and all(each.Error and not each.Dir for each in packages):
            problem = packages[0].Error.Err if packages[0].Error else ""
            raise UserError(
                f"failed to find packages below {self._place.root}: {problem}",
                hint="call it in a directory of a module: there is a go.mod in it, or above it",
            )
        return list({package.ImportPath: package for package in packages}.values())

    async def _build(self, found: Found, runner: Runner, packages: Sequence[Package]) -> None:
        """Build what is tested; ask each binary for its tests as soon as it is there."""
        left = len(packages)

        def busy() -> None:
            found.busy(f"building test binaries: {left} of {len(packages)} left" if left else "")

        async with asyncio.TaskGroup() as asking:
            if self._plan.cache and not self._plan.wanted.covers:
                self._keeping = asking.create_task(self._remember(packages))

            def ready(package: Package, binary: str) -> None:
                nonlocal left
                left -= 1
                busy()
                asking.create_task(self._ask(found, runner, package, binary))

            def failed(package: Package, words: str) -> None:
                nonlocal left
                left -= 1
                busy()
                found.broken(package.ImportPath, words)

            busy()
            builder = Builder(self._go, self._plan.wanted, self._plan.binaries, ready=ready, failed=failed)
            others = await builder.build(packages)
            if others:
                found.message(others)

    async def _remember(self, packages: Sequence[Package]) -> None:
        """Look at what tests can read, so that results of earlier runs can be told to hold. Raises OSError."""
        assert self._places is not None  # noqa: S101 - packages are known
        patterns = [package.ImportPath for package in packages]
        look = partial(
            Inputs,
            self._places.projects,
            programs=self._place.environment.get("PATH", ""),
            without=frozenset(map(str, self._plan.outputs)),
        )
        inputs, opaque = await asyncio.gather(asyncio.to_thread(look), self._go.opaque(self._plan.wanted, patterns))
        self._keeper = Keeper(self._plan.binaries / "results", inputs, opaque)

    async def _ask(self, found: Found, runner: Runner, package: Package, binary: str) -> None:
        """Ask a binary for its tests."""
        program = f"{BINARIES}/{binary}"
        wanted = self._plan.wanted
        patterns = {"run": top_pattern(wanted.run), "skip": whole_pattern(wanted.skip), "bench": wanted.bench}
        if wanted.bench:
            patterns["bench"] = top_pattern(wanted.bench)
        asked = {key: pattern for key, pattern in patterns.items() if pattern}
        answers = await asyncio.gather(*(self._list(runner, package, program, each) for each in asked.values()))
        wrong = next((answer for answer in answers if isinstance(answer, str)), None)
        if wrong is not None:
            found.broken(package.ImportPath, f"{wrong}FAIL\t{package.ImportPath}\n")
            return
        names = {key: answer for key, answer in zip(asked, answers, strict=True) if not isinstance(answer, str)}
        chosen = [name for name in names["run"] if name.startswith(KINDS)]
        chosen += [name for name in names.get("bench", ()) if name.startswith("Benchmark")]
        skipped = frozenset(names.get("skip", ()))
        if self._plan.wanted.covers and self._plan.wanted.mode != "set":
            await self._cover_base(runner, package, program)
        if self._keeping is not None:
            await self._keeping
        if self._keeper is not None:
            await asyncio.to_thread(self._keeper.open, package, self._plan.binaries / binary)
        places = sources.find_tests(package)
        lengths = accumulate(len(name) + 1 for name in chosen)
        cases = [
            self._case(Data(package, program, name, length // LONGEST), places)
            for name, length in zip(chosen, lengths, strict=True)
            if name not in skipped
        ]
        if cases:
            found.cases(cases)

    async def _list(self, runner: Runner, package: Package, program: str, pattern: str) -> list[str] | str:
        """Return the names of what is called as a pattern says, or why they cannot be had."""
        outcome = await self._run(runner, package, program, self._plan.wanted.list_arguments(pattern))
        effects = effects_of(outcome)
        if effects is None:
            said = not_run(outcome)
            return f"failed to ask for the tests: {said.detail if said is not None else outcome}\n"
        stdout = effects.stdout.data.decode("utf-8", "replace")
        if isinstance(outcome, Exited) and not outcome.code:
            return [
                line for line in stdout.splitlines() if line.startswith((*KINDS, "Benchmark")) and line.isidentifier()
            ]
        code = outcome.code if isinstance(outcome, Exited) else "none"
        text = output_text(stdout, effects.stderr.data.decode("utf-8", "replace"))
        return f"{text}failed to ask for the tests: the process ended with exit code {code}\n"

    async def _cover_untested(self, packages: Sequence[str]) -> None:
        """Find out what there is to cover in packages without tests; go before 1.22 does not say."""
        with tempfile.NamedTemporaryFile(dir=self._plan.binaries / "tmp", prefix="cover-") as file:
            await self._go.call(self._plan.wanted.cover_command(file.name, packages))
            text = _read(Path(file.name))
        self._untold.add(text)
        for package, lines in coverage.by_package(text).items():
            if package in self.covered:
                self.covered[package].add(lines)

    async def _cover_base(self, runner: Runner, package: Package, program: str) -> None:
        """Find out what is covered by a process that runs no test."""
        arguments = ("-test.run=^$", "-test.paniconexit0", f"-test.coverprofile={PROFILE}")
        effects = effects_of(await self._run(runner, package, program, arguments))
        if effects is not None:
            self.covered[package.ImportPath].add_base(effects.result.data.decode("utf-8", "replace"))

    async def _run(self, runner: Runner, package: Package, program: str, arguments: tuple[str, ...]) -> Outcome:
        assert self._places is not None  # noqa: S101 - packages are known
        said = self._plan.directives.treatment(package_facts(package))
        spec = JobSpec(
            container=self._places.container(package.Dir, said),
            program=program,
            arguments=(*arguments, *self._plan.wanted.extra),
            timeout=said.timeout or None,
            grace=self._grace,
            priority=3,  # whatever waits, waits for this
        )
        return await runner.submit(spec, stdin=b"")

    def _case(self, data: Data, places: dict[str, tuple[str, int]]) -> Case:
        package, name = data.package, data.name
        file, line = places.get(name, ("", 0))
        case = Case(
            name=f"{package.ImportPath} {name}",
            facts=facts(package, name),
            suite=package.ImportPath,
            title=name,
            data=data,
            file=file,
            line=line,
            directory=package.Dir,
        )
        return case if self._keeper is None else msgspec.structs.replace(case, known=self._known(self._keeper, case))

    def _known(self, keeper: Keeper, case: Case) -> Verdict | None:
        """Return the verdict of an earlier run, if it still holds."""
        data = _of(case)
        if not _is_kept(data.name):
            return None
        treatment = self._plan.directives.treatment(case.facts)
        timeout = treatment.timeout if self._plan.timeout is None else self._plan.timeout
        kept = keeper.find(data.package, data.name, self.job(case, treatment), treatment.container, timeout)
        if kept is None:
            return None
        found = self._verdict(data, kept.outcome())
        return found if found.status is Status.PASSED else None

    def job(self, case: Case, treatment: Treatment) -> JobSpec:
        """Return the job of a test."""
        data = _of(case)
        arguments = self._plan.wanted.arguments(data.name)
        if self._keeper is not None and _is_kept(data.name):
            arguments = (LOG, *arguments)  # not behind what the user wants to say to the binaries
        return self._job(data, arguments, treatment)

    def _job(self, data: Data, arguments: tuple[str, ...], treatment: Treatment) -> JobSpec:
        assert self._places is not None  # noqa: S101 - there are tests, so packages are known
        return JobSpec(
            container=self._places.container(data.package.Dir, treatment),
            program=data.program,
            arguments=arguments,
            grace=self._grace,
        )

    @property
    def isolation(self) -> Isolation:
        """How much shares a process."""
        return self._plan.isolation

    def kin(self, case: Case) -> Hashable:
        """Return the package of a test; none where more is wanted of each than its verdict, or how fast it is."""
        data = _of(case)
        alone = self._keeper is not None or self._plan.whole_output or data.name.startswith("Benchmark")
        return None if alone else (data.package.ImportPath, data.part)

    def shared_job(self, cases: Sequence[Case], treatment: Treatment) -> JobSpec:
        """Return the job of several tests of a package."""
        names = [_of(case).name for case in cases]
        return self._job(_of(cases[0]), self._plan.wanted.shared_arguments(names), treatment)

    def judge_shared(self, cases: Sequence[Case], outcome: Outcome) -> Sequence[Verdict | None]:
        """Return what the testing package says of each."""
        package, names = _of(cases[0]).package, [_of(case).name for case in cases]
        found = verdict.judge_shared(names, outcome, directory=package.Dir, verbose=self._plan.verbose)
        if None not in found:  # else they all run again
            self._cover(package, outcome)
        return [
            each and msgspec.structs.replace(each, partial=self._plan.wanted.is_partial(name))
            for name, each in zip(names, found, strict=True)
        ]

    def _cover(self, package: Package, outcome: Outcome) -> None:
        """Add what a process has covered."""
        effects = effects_of(outcome)
        if self.covered and effects is not None and effects.result.data:
            self.covered[package.ImportPath].add(effects.result.data.decode("utf-8", "replace"))

    def judge(self, case: Case, outcome: Outcome) -> Verdict:
        """Return the verdict of a test."""
        data = _of(case)
        self._cover(data.package, outcome)
        found = self._verdict(data, outcome)
        if self._keeper is not None and _is_kept(data.name):
            self._keeper.take(data.package, data.name, outcome, passed=found.status is Status.PASSED)
        return found

    def _verdict(self, data: Data, outcome: Outcome) -> Verdict:
        effects = effects_of(outcome)
        found = verdict.judge(data.name, outcome, directory=data.package.Dir, verbose=self._plan.verbose)
        return msgspec.structs.replace(
            found,
            partial=self._plan.wanted.is_partial(data.name),
            output=verdict.whole_output(effects) if self._plan.whole_output and effects is not None else "",
        )


def _of(case: Case) -> Data:
    assert isinstance(case.data, Data)  # noqa: S101 - ours
    return case.data


def _is_kept(name: str) -> bool:
    """Tell whether results of what is called so are kept: how fast something is has to be measured."""
    return not name.startswith("Benchmark")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _setup_failed(package: Package) -> str:
    problem = package.Error
    return messages.setup_failed(package.ImportPath, problem.Pos if problem else "", problem.Err if problem else "")
