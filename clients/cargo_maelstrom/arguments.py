"""Command lines: what cargo is called with, and what a user says to the test binaries. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cargo_maelstrom.config import CargoConfig
from maelstrom_core.errors import UserError

TARGET_FLAGS = ("lib", "bins", "tests", "examples", "benches", "all_targets")
TARGET_NAMES = ("bin", "test", "example", "bench")
WITH_VALUE = frozenset({"--skip", "--test-threads", "--format", "--logfile", "--color", "--shuffle-seed", "-Z"})
OURS = frozenset(
    {
        *("--nocapture", "--no-capture", "--show-output", "--test-threads", "--color", "-q", "--quiet", "--format"),
        *("--report-time", "--ensure-time", "--shuffle", "--shuffle-seed", "--test", "--force-run-in-process"),
    }
)
"""What says how a harness runs many tests, and shows them: here that is our business, and it is passed over."""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What of a workspace is to be tested, as cargo's own options say it."""

    names: tuple[str, ...] = ()
    """Tests whose names contain one of these; none: all."""
    packages: tuple[str, ...] = ()
    workspace: bool = False
    excluded: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    """The options that choose among a package's targets, as cargo takes them."""
    only_doc: bool = False
    release: bool = False
    manifest_path: str | None = None
    flags: tuple[str, ...] = ()
    """Further options of cargo, of ours."""

    @property
    def doc(self) -> bool:
        """Whether cargo would test documentation."""
        return self.only_doc or not self.targets


def read_choices(own: Mapping[str, Any]) -> Choices:
    """Return what the parameters of the command line say. Raises UserError."""
    targets = [f"--{name.replace('_', '-')}" for name in TARGET_FLAGS if own[name]]
    targets += [f"--{name}={value}" for name in TARGET_NAMES for value in own[name]]
    if own["only_doc"] and targets:
        raise UserError(f"--doc and {targets[0]} exclude each other", hint="without any of them all is tested")
    return Choices(
        names=tuple(own["names"]),
        packages=tuple(own["package"]),
        workspace=own["workspace"],
        excluded=tuple(own["excluded_packages"]),
        targets=tuple(targets),
        only_doc=own["only_doc"],
        release=own["release"],
        manifest_path=own["manifest_path"],
    )


class TestArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind `--`, as libtest understands it."""

    __test__ = False

    names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    exact: bool = False
    ignored: bool = False
    """Run what is ignored; `others`: run what is not."""
    others: bool = True
    rest: tuple[str, ...] = ()
    """For the binary itself."""
    given: tuple[str, ...] = ()
    """All of it, for programs that have a harness of their own."""

    def selects(self, name: str) -> bool:
        """Tell whether a test is meant, by its name."""
        if self.exact:
            return (not self.names or name in self.names) and name not in self.skipped
        wanted = not self.names or any(each in name for each in self.names)
        return wanted and not any(each in name for each in self.skipped)

    def flags(self, *, ignored: bool) -> tuple[str, ...]:
        """Return what a binary is told beside the name of a test, which natively is ignored or is not."""
        return (*(("--include-ignored",) if ignored else ()), *self.rest)


def read_test_arguments(names: Sequence[str], extra: Sequence[str], more: Sequence[str] = ()) -> TestArguments:
    """Return what is meant by names of tests, and by what stands behind `--`. Raises UserError.

    `more` is for every binary, as it is.
    """
    wanted, skipped, rest = list(names), [], list[str]()
    exact = ignored = False
    others = True
    words = iter(extra)
    for word in words:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            wanted.append(word)
            continue
        if option in WITH_VALUE and not equals:
            value = next(words, "")
        match option:
            case "--skip":
                skipped.append(value)
            case "--exact":
                exact = True
            case "--ignored":
                ignored, others = True, False
            case "--include-ignored":
                ignored = others = True
            case "--list" | "--logfile" | "--help" | "-h":
                raise UserError(f"{option} behind `--` is not for single tests", hint="`--list` before it lists them")
            case _ if option in OURS:
                pass
            case _:
                rest += [option, value] if option in WITH_VALUE and not equals else [word]
    return TestArguments(
        names=tuple(wanted),
        skipped=tuple(skipped),
        exact=exact,
        ignored=ignored,
        others=others,
        rest=(*rest, *more),
        given=(*names, *extra, *more),
    )


def shared_options(config: CargoConfig, choices: Choices) -> list[str]:
    """Return the options of cargo that say how to build: the same for every call."""
    options = [f"--features={','.join(config.features)}"] if config.features else []
    options += ["--all-features"] if config.all_features else []
    options += ["--no-default-features"] if config.no_default_features else []
    profile = config.profile or ("release" if choices.release else None)
    options += [f"--profile={profile}"] if profile else []
    options += [f"--target={config.target}"] if config.target else []
    options += [f"--target-dir={config.target_dir}"] if config.target_dir else []
    return [*options, *choices.flags, *workspace_options(config, choices)]


def workspace_options(config: CargoConfig, choices: Choices) -> list[str]:
    """Return the options of cargo that say which workspace, and what may be done to find out about it."""
    options = [f"--manifest-path={choices.manifest_path}"] if choices.manifest_path else []
    for name in ("frozen", "locked", "offline"):
        options += [f"--{name}"] if getattr(config, name) else []
    return options


def package_options(choices: Choices, only: Iterable[str] | None) -> list[str]:
    """Return the options of cargo that say which packages; `only` are those that are left, None: as the user says."""
    if only is not None:
        return [f"--package={spec}" for spec in only]
    options = ["--workspace"] if choices.workspace else []
    options += [f"--package={name}" for name in choices.packages]
    return options + [f"--exclude={name}" for name in choices.excluded]


def build_command(config: CargoConfig, choices: Choices, only: Iterable[str] | None, *, colour: bool) -> list[str]:
    """Return cargo's arguments for building the tests."""
    return [
        *("test", "--no-run", "--message-format=json-render-diagnostics"),
        f"--color={'always' if colour else 'never'}",
        *([f"--jobs={config.build_jobs}"] if config.build_jobs else []),
        *shared_options(config, choices),
        *package_options(choices, only),
        *choices.targets,
    ]


def metadata_command(config: CargoConfig, choices: Choices) -> list[str]:
    """Return cargo's arguments for finding out about the workspace."""
    return ["metadata", "--no-deps", "--format-version=1", "--color=never", *workspace_options(config, choices)]


def doc_command(config: CargoConfig, choices: Choices, package: str, arguments: TestArguments) -> tuple[str, ...]:
    """Return cargo's arguments for testing the documentation of a package, in a container that has no network."""
    options = [option for option in shared_options(config, choices) if option != "--offline"]
    behind = ("--", *arguments.given) if arguments.given else ()
    return ("test", "--doc", "--offline", "--color=never", f"--package={package}", *options, *behind)


def tell_packages(excluded: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell filters from names of packages, which both are given by --exclude: a name is no word of filters."""
    words = {"all", "any", "true", "none", "false", "library", "binary", "benchmark", "example", "test", "doc"}
    packages = tuple(
        each
        for each in excluded
        if each not in words and each.replace("-", "").replace("_", "").replace("*", "").isalnum()
    )
    return tuple(each for each in excluded if each not in packages), packages
