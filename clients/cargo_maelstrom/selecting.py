"""What filters can ask about Rust's tests, what tests are called, and which packages need not be built. Pure."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence

from cargo_maelstrom.arguments import Choices
from cargo_maelstrom.messages import TestBinary
from cargo_maelstrom.metadata import Package, Workspace
from maelstrom_test_runner.filters import TEXT_MATCHERS, Facts, Language, Selector, selects
from maelstrom_test_runner.selecting import Selection

LANGUAGE = Language(
    (
        Selector("name", 1, TEXT_MATCHERS),
        Selector("package", 1, TEXT_MATCHERS),
        Selector("library", 1),
        Selector("doc", 1),
        *(
            selector
            for name, shortest in (("binary", 2), ("benchmark", 2), ("example", 1), ("test", 2))
            for selector in (Selector(name, shortest), Selector(name, shortest, TEXT_MATCHERS))
        ),
    )
)
SELECTORS = {"bin": "binary", "bench": "benchmark", "example": "example", "test": "test"}


def facts_of_case(binary: TestBinary, name: str | None) -> Facts:
    """Return what is known of a test; of all tests of a binary where there is no name."""
    kinds = {selector: binary.target.name if binary.kind == kind else False for kind, selector in SELECTORS.items()}
    return {"name": name, "package": binary.package.name, "library": binary.kind == "lib", "doc": False, **kinds}


def facts_of_doc(package: Package) -> Facts:
    """Return what is known of the documentation of a package."""
    kinds = dict.fromkeys(SELECTORS.values(), False)
    return {"name": "doc", "package": package.name, "library": False, "doc": True, **kinds}


def suite_of(binary: TestBinary) -> str:
    """Return what the tests of a binary have in common: `package`, `package [test]`, `package [bin/program]`."""
    name, package = binary.target.name, binary.package.name
    match binary.kind:
        case "lib":
            return package
        case "test":
            return f"{package} [{name}]"
        case kind:
            return f"{package} [{kind}/{name}]"


def chosen_packages(
    workspace: Workspace, choices: Choices, selection: Selection, *, directory: str
) -> tuple[Sequence[Package], Sequence[str] | None]:
    """Return the packages with tests that may be meant, and what to tell cargo of them; None: what the user says.

    Cargo knows best what it means where no filter leaves out any of them.
    """
    meant = [package for package in workspace.packages if _is_meant(package, workspace, choices, directory)]
    left = [package for package in meant if _may_be_selected(package, selection)]
    return left, None if len(left) == len(meant) else [package.spec for package in left]


def _is_meant(package: Package, workspace: Workspace, choices: Choices, directory: str) -> bool:
    if choices.packages:
        return any(_matches(package, spec) for spec in choices.packages)
    if choices.workspace:
        return not any(_matches(package, spec) for spec in choices.excluded)
    manifest = os.path.join(directory, choices.manifest_path) if choices.manifest_path else None
    start = os.path.dirname(os.path.realpath(manifest)) if manifest else os.path.realpath(directory)
    own = _own_package(workspace, start)
    if own is not None:
        return package is own
    defaults = workspace.workspace_default_members
    return defaults is None or package.id in defaults


def _own_package(workspace: Workspace, start: str) -> Package | None:
    """Return the package whose directory this is, or is above it: the nearest, below the workspace's root."""
    by_directory = {os.path.realpath(package.directory): package for package in workspace.packages}
    place = start
    while True:
        if place == os.path.realpath(workspace.workspace_root) and place not in by_directory:
            return None
        if place in by_directory:
            # in the root of a workspace its default members are meant, which may be more than the package there
            root = place == os.path.realpath(workspace.workspace_root)
            return None if root and workspace.workspace_default_members is not None else by_directory[place]
        if place == "/":
            return None
        place = os.path.dirname(place)


def _matches(package: Package, spec: str) -> bool:
    """Tell whether a package is what `--package` names: by name, version, or a pattern of names."""
    name, _, version = spec.rpartition("/")[2].rpartition("#")[2].replace(":", "@").partition("@")
    return fnmatch.fnmatchcase(package.name, name) and (not version or package.version.startswith(version))


def _may_be_selected(package: Package, selection: Selection) -> bool:
    return selects(selection.include, selection.exclude, {"package": package.name}) is not False
