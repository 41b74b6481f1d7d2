"""What the plugin is configured with, and what pytest is told in containers."""

from __future__ import annotations

import argparse

import pytest

from maelstrom_core.errors import ConfigError
from maelstrom_pytest.plugin import settings


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{f"maelstrom_{name}": value for name, value in given.items()})


def test_options_go_before_the_environment() -> None:
    environment = {"MAELSTROM_PYTEST_SLOTS": "7", "MAELSTROM_TIMEOUT": "9", "HOME": "/nowhere"}
    config = settings.configuration(options(slots="3", no_template=True), "/bin/python", environment)
    assert (config.slots, config.timeout, config.template, config.python) == (3, 9.0, False, "/bin/python")


def test_a_wrong_value_names_the_option_as_it_was_typed() -> None:
    with pytest.raises(ConfigError) as raised:
        settings.configuration(options(slots="many"), "/bin/python", {"HOME": "/nowhere"})
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
