"""Command lines of cargo, and what stands behind `--`."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargo_maelstrom.arguments import (
    Choices,
    build_command,
    doc_command,
    metadata_command,
    read_choices,
    read_test_arguments,
    tell_packages,
)
from cargo_maelstrom.config import CargoConfig
from maelstrom_core.errors import UserError

NOTHING = {
    **dict.fromkeys(("lib", "bins", "tests", "examples", "benches", "all_targets", "only_doc", "workspace", "release")),
    **dict.fromkeys(("names", "package", "excluded_packages", "bin", "test", "example", "bench"), ()),
    "manifest_path": None,
}
ALWAYS = ["test", "--no-run", "--message-format=json-render-diagnostics", "--color=never"]


def choices(**given: object) -> Choices:
    return read_choices({**NOTHING, **given})


def built(config: CargoConfig, chosen: Choices, only=None) -> list[str]:
    command = build_command(config, chosen, only, colour=False)
    assert command[: len(ALWAYS)] == ALWAYS
    return command[len(ALWAYS) :]


def test_rg5_by_default_cargo_is_told_nothing():
    assert built(CargoConfig(), choices()) == []
    assert metadata_command(CargoConfig(), choices())[-1] == "--color=never"


def test_ap4_colours_where_the_display_has_some():
    assert "--color=always" in build_command(CargoConfig(), choices(), None, colour=True)


@pytest.mark.parametrize(
    ("config", "given", "expected"),
    [
        ({"features": ("a", "b")}, {}, ["--features=a,b"]),
        ({"all_features": True, "no_default_features": True}, {}, ["--all-features", "--no-default-features"]),
        ({"profile": "ci"}, {"release": True}, ["--profile=ci"]),
        ({}, {"release": True}, ["--profile=release"]),
        ({"target": "x"}, {}, ["--target=x"]),
        ({"target_dir": Path("/t")}, {}, ["--target-dir=/t"]),
        ({"build_jobs": "3"}, {}, ["--jobs=3"]),
        ({}, {"lib": True, "test": ("a", "b")}, ["--lib", "--test=a", "--test=b"]),
        ({}, {"package": ("a",)}, ["--package=a"]),
        ({}, {"workspace": True, "excluded_packages": ("b",)}, ["--workspace", "--exclude=b"]),
    ],
)
def test_rg5_options_are_passed_on(config, given, expected):
    assert built(CargoConfig(**config), choices(**given)) == expected


def test_rg5_options_of_the_workspace_are_for_its_metadata_as_well():
    config, chosen = CargoConfig(frozen=True, locked=True, offline=True), choices(manifest_path="x/Cargo.toml")
    expected = ["--manifest-path=x/Cargo.toml", "--frozen", "--locked", "--offline"]
    assert built(config, chosen) == expected
    assert metadata_command(config, chosen)[-4:] == expected


def test_packages_that_no_filter_means_are_not_built():
    assert built(CargoConfig(), choices(workspace=True), ["a@1.0.0"]) == ["--package=a@1.0.0"]


def test_documentation_is_tested_by_cargo_with_the_same_features_and_names():
    command = doc_command(
        CargoConfig(features=("a",), offline=True), choices(), "p@1.0.0", read_test_arguments(["two"], ["--ignored"])
    )
    assert command[:4] == ("test", "--doc", "--offline", "--color=never")
    assert command[4:] == ("--package=p@1.0.0", "--features=a", "--", "two", "--ignored")


def test_documentation_is_left_out_where_targets_are_chosen():
    assert choices().doc
    assert choices(only_doc=True).doc
    assert not choices(lib=True).doc
    with pytest.raises(UserError, match="--doc and --lib"):
        choices(only_doc=True, lib=True)


@pytest.mark.parametrize(
    ("names", "extra", "meant"),
    [
        ([], [], {"a::b", "a::bc", "x"}),
        (["a::b"], [], {"a::b", "a::bc"}),
        (["bc"], ["x"], {"a::bc", "x"}),
        ([], ["--exact", "a::b"], {"a::b"}),
        ([], ["--skip", "bc"], {"a::b", "x"}),
        ([], ["--skip=a::"], {"x"}),
        (["a"], ["--exact", "--skip", "x"], set()),
    ],
)
def test_names_are_those_of_libtest(names, extra, meant):
    arguments = read_test_arguments(names, extra)
    assert {name for name in ("a::b", "a::bc", "x") if arguments.selects(name)} == meant


def test_what_is_ignored_runs_where_it_is_asked_for():
    ignored, included = read_test_arguments([], ["--ignored"]), read_test_arguments([], ["--include-ignored"])
    assert (ignored.ignored, ignored.others) == (True, False)
    assert (included.ignored, included.others) == (True, True)
    assert included.flags(ignored=True) == ("--include-ignored",)
    assert included.flags(ignored=False) == ()


def test_how_many_tests_are_shown_is_no_business_of_one_of_them():
    extra = ["--nocapture", "--test-threads", "4", "--format=pretty", "-q", "--color", "always", "--own", "-Z", "flag"]
    assert read_test_arguments([], extra, ["--more"]).rest == ("--own", "-Z", "flag", "--more")
    with pytest.raises(UserError, match="--list"):
        read_test_arguments([], ["--list"])


def test_a_package_is_told_from_a_filter():
    assert tell_packages(("my-crate", "all", "name.equals(x)", "tool_*", "library")) == (
        ("all", "name.equals(x)", "library"),
        ("my-crate", "tool_*"),
    )
