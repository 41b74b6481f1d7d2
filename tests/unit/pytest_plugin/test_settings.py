"""What the plugin is configured with, and what pytest is told in containers."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from maelstrom_core.errors import ConfigError
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.plugin import settings
from maelstrom_test_runner.directives import Directives
from maelstrom_test_runner.runner_file import RunnerFile


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{f"maelstrom_{name}": value for name, value in given.items()})


def configured(values: dict[str, object], *, file: dict[str, object] | None = None, **environment: str) -> PytestConfig:
    said = RunnerFile(Directives()) if file is None else RunnerFile(Directives(), Path("/x/file.toml"), file)
    return settings.configuration(options(**values), {"HOME": "/nowhere", **environment}, said)


def test_options_go_before_the_environment_and_that_before_the_project_s_file() -> None:
    config = configured(
        {"slots": "3", "no_template": True},
        file={"timeout": 8, "isolation": "class", "slots": 5},
        MAELSTROM_PYTEST_SLOTS="7",
        MAELSTROM_TIMEOUT="9",
    )
    assert (config.slots, config.timeout, config.template, config.isolation) == (3, 9.0, False, "class")


def test_a_cluster_is_named_as_maelstrom_pytest_has_it() -> None:
    config = configured({"broker": "there:99", "no_local": True, "tls": True, "tls_ca": "/ca.pem", "credentials": "/c"})
    assert (config.broker, config.local, config.tls) == (("there", 99), False, True)
    assert (config.tls_ca, config.credentials) == (Path("/ca.pem"), Path("/c"))
    config = configured({}, MAELSTROM_BROKER="there:99")
    assert (config.broker, config.local, config.tls) == (("there", 99), True, False)


def test_a_wrong_value_names_the_option_as_it_was_typed() -> None:
    with pytest.raises(ConfigError) as raised:
        configured({"slots": "many"})
    assert settings.in_our_words(raised.value.render()).startswith("option --maelstrom-slots: `many`")
    assert settings.in_our_words("give --cache-root, not --maelstrom-slots or --no-template-x") == (
        "give --maelstrom-cache-root, not --maelstrom-slots or --no-template-x"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["-p", "vscode_pytest", "-q", "tests"], ["-q", "tests"]),
        (["-pvscode_pytest", "-p", "no:randomly"], ["-p", "no:randomly"]),
        (["-x", "-p"], ["-x", "-p"]),
        (["a::b", "-k", "vscode_pytest"], ["a::b", "-k", "vscode_pytest"]),
    ],
)
def test_reporters_of_editors_stay_outside(given: list[str], expected: list[str]) -> None:
    assert settings.guest_arguments(given, uncaptured=False) == tuple(expected)


def test_output_is_captured_inside_whatever_was_asked_for() -> None:
    assert settings.guest_arguments(["-s", "--", "tests"], uncaptured=True) == ("-s", "--capture=fd", "--", "tests")
    assert settings.guest_arguments(["-s"], uncaptured=True) == ("-s", "--capture=fd")


def test_what_needs_a_test_s_process_is_named() -> None:
    assert settings.refused(argparse.Namespace(usepdb=True)) == "--pdb"
    assert settings.refused(argparse.Namespace(usepdb=False, trace=None)) is None
