"""The default container: what is carried into it."""

from __future__ import annotations

from pathlib import Path

from maelstrom_client.sealed import carried_environment, sealed_container
from maelstrom_core.spec import HostLayer, ProjectLayer


def test_the_callers_environment_is_seen_but_for_what_is_not_in_there():
    environment = {
        "A": "1",
        "PYTEST_ADDOPTS": "-q",
        "SSH_AUTH_SOCK": "/s",
        "JOURNAL_STREAM": "1:2",
        "MAELSTROM_SLOTS": "3",
        "TMPDIR": "/x",
        "BAD": "\udc80",
        "BAD\udc80": "",
    }
    assert carried_environment(environment).vars == {"A": "1", "PYTEST_ADDOPTS": "-q"}


def test_values_are_not_evaluated():
    assert carried_environment({"A": "$env{HOME} $"}).vars == {"A": "$$env{HOME} $$"}


def test_the_directory_is_shown_unless_a_layer_does_so_or_it_is_the_machines():
    def kinds(directory, *layers):
        return [type(layer) for layer in sealed_container(Path(directory), layers=layers, environ={}).layers]

    assert kinds("/work") == [HostLayer, ProjectLayer]
    assert kinds("/work/sub", ProjectLayer("/work")) == [HostLayer, ProjectLayer]
    assert kinds("/usr/share") == [HostLayer]
