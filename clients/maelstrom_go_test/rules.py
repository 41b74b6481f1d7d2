"""What filters can ask about a test of Go. Pure."""

from __future__ import annotations

from maelstrom_go_test.packages import Package
from maelstrom_test_runner.filters import TEXT_MATCHERS, Facts, Language, Selector

LANGUAGE = Language(
    (
        Selector("name", 1, TEXT_MATCHERS),
        Selector("package_import_path", 1, TEXT_MATCHERS),
        Selector("package_path", 9, TEXT_MATCHERS),
        Selector("package_name", 9, TEXT_MATCHERS),
    )
)


def package_facts(package: Package) -> Facts:
    """Return what is known of the tests of a package before it is built."""
    return {
        "package_import_path": package.ImportPath,
        "package_path": package.path,
        "package_name": package.Name,
    }


def facts(package: Package, name: str) -> Facts:
    """Return what is known of a test."""
    return {**package_facts(package), "name": name}
