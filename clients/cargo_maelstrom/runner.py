"""The tests of a workspace, as a `native.NativeRunner`.

Cargo builds on this machine; binaries list and run their tests in containers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import msgspec

from cargo_maelstrom.arguments import Choices, TestArguments, doc_command
from cargo_maelstrom.brought import bringing, split
from cargo_maelstrom.build import Build
from cargo_maelstrom.calls import Calls
from cargo_maelstrom.company import company_arguments, judge_company
from cargo_maelstrom.config import CargoConfig
from cargo_maelstrom.containers import Containers
from cargo_maelstrom.coverage import Measured, Subject, build_flags
from cargo_maelstrom.environment import Toolchain, binary_variables, configured_variables
from cargo_maelstrom.libtest import judge_program, judge_test, parse_listing, parse_reasons
from cargo_maelstrom.listings import Listing, Listings
from cargo_maelstrom.messages import Artifacts, TestBinary, parse_message
from cargo_maelstrom.metadata import Package, Workspace, parse_metadata, without_harness
from cargo_maelstrom.processes import answer, read_toolchain
from cargo_maelstrom.selecting import chosen_packages, facts_of_case, facts_of_doc, suite_of
from cargo_maelstrom.words import Words
from maelstrom_core.errors import InfrastructureError, UserError
from maelstrom_core.job import Exited, Outcome
from maelstrom_core.spec import JobSpec
from maelstrom_test_runner.directives import Treatment
from maelstrom_test_runner.native import Case, Found, Isolation, Verdict, effects_of, not_run, output_text
from maelstrom_test_runner.native_call import NativeCall
from maelstrom_test_runner.runner import Runner

FIRST = 1000
"""The priority of listings: more is known after them."""
THREADS = "--test-threads=2"
"""A test is alone, but a harness that is not told how many may run at once finds out how many processors there are,
twice: of some 150 system calls of a small test these are 40. With one it would print the name before the output."""
LONGEST = 50_000
"""Characters of names that go into one command line."""
NO_LIBRARIES = (
    "a binary uses the libraries of its image; `include_shared_libraries = true` gives it those of this machine"
)


class TestOf(msgspec.Struct, frozen=True):
    """What is known of a case: a test of a binary; a binary without libtest, if it has no name; or documentation."""

    __test__ = False

    package: Package
    binary: TestBinary | None
    name: str | None
    ignored: bool = False


class CargoRunner:
    """Finds, and runs."""

    def __init__(
        self, config: CargoConfig, call: NativeCall, choices: Choices, arguments: TestArguments, calls: Calls
    ) -> None:
        """Take up `calls` that have begun; they stay the caller's."""
        self._config = config
        self._call = call
        self._choices = choices
        self._arguments = arguments
        self._calls = calls
        self._listings = Listings(config.cache_root / "cargo-listings")
        self._caller = dict(call.environment)
        self._workspace: Workspace
        self._toolchain: Toolchain
        self._artifacts: Artifacts
        self._containers: Containers
        self._harness: dict[str, frozenset[tuple[str, str]]] = {}
        self._variables: dict[tuple[str, bool], dict[str, str]] = {}
        self._flags: dict[str, str] = {}
        self.measured: Measured | None = None
        """Where coverage goes."""

    @property
    def subject(self) -> Subject | None:
        """What is to be reported of coverage; None where none was measured."""
        if self.measured is None or self._call.listing or self._call.dry_run:
            return None
        return Subject(
            self.measured, tuple(self._artifacts.executables), self._workspace.workspace_root, self._toolchain
        )

    def discard(self) -> None:
        """Remove what is left of the run."""
        if self.measured is not None:
            from cargo_maelstrom.covered import discard

            discard(self.measured)

    async def find(self, found: Found, runner: Runner) -> None:
        """Build, and tell of the tests of each binary as soon as it is there."""
        early = Build(self._calls.build) if self._calls.build is not None else None
        try:
            await self._find(found, runner, early)
        finally:
            if early is not None:
                await early.stop()

    async def _find(self, found: Found, runner: Runner, early: Build | None) -> None:
        """Do so; a build that has begun `early` is of all that is meant."""
        found.busy("asking cargo what there is")
        directory = str(self._call.directory)
        metadata, self._toolchain = await asyncio.gather(
            answer(self._calls.metadata), read_toolchain(self._calls.compiler, self._calls.cargo, self._caller)
        )
        code, output, errors = metadata
        if code:
            raise UserError(f"failed to read the project: cargo says\n{errors.strip()}")
        workspace = parse_metadata(output)
        packages, only = chosen_packages(workspace, self._choices, self._call.selection, directory=directory)
        if not packages and only is not None:
            return  # else cargo says what is wrong
        if self._config.coverage:
            self._measure(workspace)
        if self._config.target_dir is not None:
            workspace = msgspec.structs.replace(workspace, target_directory=str(self._config.target_dir))
        os.makedirs(workspace.target_directory, exist_ok=True)  # it is to be shown
        self._workspace = workspace
        self._artifacts = Artifacts(workspace.packages)
        configured = configured_variables(self._call.directory, self._toolchain.cargo_home, self._caller)
        self._caller |= configured
        self._containers = Containers(
            workspace,
            self._toolchain,
            self._call.file.directives,
            self._caller,
            minimal=self._config.hermetic,
            seccomp=self._config.seccomp,
            memory=self._config.memory,
            profiles=self.measured.profiles if self.measured is not None and not self.measured.elsewhere else None,
        )
        if not self._choices.only_doc:
            await self._build(found, runner, early or self._start_build(only))
        if self._config.doc_tests and self._choices.doc and self._arguments.others:
            self._tell_doc(found, packages)

    def _measure(self, workspace: Workspace) -> None:
        """Have everything built for coverage, apart from what is built otherwise. Raises UserError."""
        config, caller = self._config, self._caller
        from cargo_maelstrom.covered import open_measured  # few want it

        directory = str(config.target_dir or workspace.target_directory)
        self.measured = open_measured(directory, config.slots, elsewhere=config.broker is not None)
        target = Path(self.measured.target_directory)
        self._config = CargoConfig(**{**config.values, "target_dir": target})
        self._flags, options = build_flags(caller, self._call.directory, self._toolchain.cargo_home)
        caller |= self._flags
        self._choices = msgspec.structs.replace(self._choices, flags=options)

    def _start_build(self, only: Sequence[str] | None) -> Build:
        """Have cargo begin with these packages; None: with all that the user means."""
        variables = self._flags
        if self.measured is not None:  # what is of interest of programs that build is not their coverage
            variables = {**variables, "LLVM_PROFILE_FILE": os.devnull}
        return Build(self._calls.begin_build(self._choices, only, config=self._config, variables=variables))

    async def _build(self, found: Found, runner: Runner, build: Build) -> None:
        """List what is built meanwhile."""
        found.busy("building")
        words = Words(found)
        listings: list[asyncio.Task[None]] = []

        def take(line: bytes) -> None:
            message = parse_message(line)
            if message is not None:
                begin(self._artifacts.add(message))
            elif line.strip():
                found.message(line.decode(errors="replace"))

        def begin(binaries: Iterable[TestBinary]) -> None:
            listings.extend(
                asyncio.get_running_loop().create_task(self._tell_tests(found, runner, binary)) for binary in binaries
            )

        try:
            code = await build.follow(take, words.take)
            words.finish()
            if code:
                hint = "what it had to say is above"
                raise UserError(f"failed to build the tests: cargo ended with exit code {code}", hint=hint)
            begin(self._artifacts.finish())
            found.busy("listing the tests")
            await asyncio.gather(*listings)
        finally:
            for listing in listings:
                listing.cancel()
            await build.stop()

    async def _tell_tests(self, found: Found, runner: Runner, binary: TestBinary) -> None:
        """List a binary's tests, and tell of them."""
        package = binary.package
        if package.id not in self._harness:
            self._harness[package.id] = without_harness(package)
        if (binary.kind, binary.target.name) in self._harness[package.id]:
            if self._arguments.others or self._arguments.given:
                found.cases([self._case(binary, None)])
            return
        listing = await self._listing(runner, binary)
        if isinstance(listing, str):
            found.broken(suite_of(binary), f"failed to list the tests of {binary.executable}: {listing}")
            return
        cases = []
        for name in listing.names:
            natively = name in listing.ignored
            if not self._arguments.selects(name) or (not natively and not self._arguments.others):
                continue
            run = not natively or self._arguments.ignored
            cases.append(
                self._case(binary, name, ignored=natively, reason=None if run else listing.ignored.get(name, ""))
            )
        found.cases(cases)

    async def _listing(self, runner: Runner, binary: TestBinary) -> Listing | str:
        """Return the tests of a binary, as it says or is known to say, or what is wrong."""
        said = self._call.file.directives.treatment(facts_of_case(binary, None))
        known = self._listings.load(binary.executable, self._spec(said, binary).container)
        if known is not None:
            return known
        everything, ignored = await asyncio.gather(
            self._list(runner, binary, said, "--list", "--format=terse"),
            self._list(runner, binary, said, "--list", "--format=terse", "--ignored"),
        )
        if isinstance(everything, str):
            return everything
        if isinstance(ignored, str):
            return ignored
        reasons = await self._reasons(runner, binary, said, sorted(ignored)) if ignored else {}
        listing = Listing(tuple(everything), {name: reasons.get(name, "") for name in ignored})
        self._listings.save(binary.executable, listing)
        return listing

    async def _list(self, runner: Runner, binary: TestBinary, said: Treatment, *arguments: str) -> list[str] | str:
        """Return what a binary lists, or what is wrong."""
        spec = msgspec.structs.replace(self._spec(said, binary), arguments=arguments, priority=FIRST)
        outcome = await runner.submit(spec, stdin=b"")
        broken = not_run(outcome)
        if broken is not None:
            hint = NO_LIBRARIES if self._containers.is_of_image(said) else broken.hint
            return broken.detail + (f"\n  hint: {hint}" if hint else "")
        effects = effects_of(outcome)
        assert effects is not None  # noqa: S101 - it ran
        if effects.stdout.lost:
            raise InfrastructureError(
                f"failed to list the tests of {binary.executable}: their names take "
                f"{effects.stdout.lost} bytes more than are kept",
                hint="let more be kept with --output-limit",
            )
        text = effects.stdout.data.decode(errors="replace")
        if not isinstance(outcome, Exited) or outcome.code:
            whole = output_text(text, effects.stderr.data.decode(errors="replace"))
            return f"it says\n{whole}"
        return [each.name for each in parse_listing(text)]

    async def _reasons(
        self, runner: Runner, binary: TestBinary, said: Treatment, names: Sequence[str]
    ) -> dict[str, str]:
        """Return why tests are ignored: a binary that is to run nothing but them says so, and runs none."""
        if sum(map(len, names)) > LONGEST:
            return {}
        spec = msgspec.structs.replace(self._spec(said, binary), arguments=("--exact", *names), priority=FIRST)
        effects = effects_of(await runner.submit(spec, stdin=b""))
        return parse_reasons(effects.stdout.data.decode(errors="replace")) if effects is not None else {}

    def _case(self, binary: TestBinary, name: str | None, *, ignored: bool = False, reason: str | None = None) -> Case:
        suite, title = suite_of(binary), name if name is not None else binary.target.name
        return Case(
            name=f"{suite} {title}" if name is not None else suite,
            facts=facts_of_case(binary, title),
            suite=suite,
            title=title,
            data=TestOf(binary.package, binary, name, ignored),
            ignored=reason,
            file=binary.target.src_path,
            directory=binary.package.directory,
        )

    def _tell_doc(self, found: Found, packages: Sequence[Package]) -> None:
        """Tell of the documentation of libraries."""
        cases = []
        for package in packages:
            target = package.documented()
            if target is not None:
                suite = f"{package.name} [doc]"
                cases.append(
                    Case(
                        name=suite,
                        facts=facts_of_doc(package),
                        suite=suite,
                        title="doc",
                        data=TestOf(package, None, None),
                        file=target.src_path,
                        directory=package.directory,
                    )
                )
        found.cases(cases)

    def job(self, case: Case, treatment: Treatment) -> JobSpec:
        """Return the job of a test: its binary, told its name; or cargo, for documentation."""
        return self._bringing(self._job(case, treatment))

    def _job(self, case: Case, treatment: Treatment) -> JobSpec:
        test = _of(case)
        if test.binary is None:
            arguments = doc_command(self._config, self._choices, test.package.spec, self._arguments)
            variables = {**self._toolchain.variables(), **self._toolchain.compilers(self._caller), **self._profile}
            container = self._containers.of_package(treatment, test.package, variables)
            return JobSpec(container=container, program=self._toolchain.cargo, arguments=arguments)
        spec = self._spec(treatment, test.binary)
        if test.name is None:
            return msgspec.structs.replace(spec, arguments=self._arguments.given)
        flags = self._arguments.flags(ignored=test.ignored)
        return msgspec.structs.replace(spec, arguments=("--exact", test.name, "--nocapture", THREADS, *flags))

    @property
    def _profile(self) -> dict[str, str]:
        return self.measured.variables() if self.measured is not None else {}

    @property
    def isolation(self) -> Isolation:
        """How much shares a process."""
        return Isolation(self._config.isolation)

    def kin(self, case: Case) -> Hashable:
        """Return the binary of a test, and whether it is to be asked for ignored ones."""
        test = _of(case)
        return (test.binary.executable, test.ignored) if test.binary is not None and test.name is not None else None

    def shared_job(self, cases: Sequence[Case], treatment: Treatment) -> JobSpec:
        """Return the job of several tests of a binary, which has as many threads for them as it takes slots."""
        first = _of(cases[0])
        assert first.binary is not None  # noqa: S101 - they have a kin
        arguments = company_arguments(
            [str(_of(case).name) for case in cases],
            threads=treatment.slots,
            flags=self._arguments.flags(ignored=first.ignored),
        )
        return self._bringing(msgspec.structs.replace(self._spec(treatment, first.binary), arguments=arguments))

    def judge_shared(self, cases: Sequence[Case], outcome: Outcome) -> Sequence[Verdict | None]:
        """Return what libtest's log says of each."""
        names = [str(_of(case).name) for case in cases]
        return judge_company(names, self._take_profiles(outcome), self._workspace.workspace_root)

    def _bringing(self, spec: JobSpec) -> JobSpec:
        return bringing(spec) if self.measured is not None and self.measured.elsewhere else spec

    def _take_profiles(self, outcome: Outcome) -> Outcome:
        """Keep the coverage that a job has brought; return its outcome without. Raises UserError."""
        if self.measured is None or not self.measured.elsewhere:
            return outcome
        from cargo_maelstrom.covered import keep

        outcome, profiles = split(outcome)
        if profiles:
            keep(self.measured, profiles)
        return outcome

    def _spec(self, said: Treatment, binary: TestBinary) -> JobSpec:
        key = binary.package.id, binary.kind in {"test", "bench"}
        variables = self._variables.get(key)
        if variables is None:
            variables = self._variables[key] = binary_variables(
                binary, self._artifacts, self._toolchain, self._workspace.target_directory, self._caller
            )
            variables.update(self._profile)
        container = self._containers.of_binary(said, binary, variables)
        return JobSpec(container=container, program=binary.executable)

    def judge(self, case: Case, outcome: Outcome) -> Verdict:
        """Return what libtest says of a test, or the exit code of what has no libtest."""
        test, outcome = _of(case), self._take_profiles(outcome)
        if test.binary is not None and test.name is not None:
            return judge_test(test.name, outcome, self._workspace.workspace_root)
        return judge_program(outcome, libtest=test.binary is None)


def _of(case: Case) -> TestOf:
    assert isinstance(case.data, TestOf)  # noqa: S101 - ours
    return case.data
