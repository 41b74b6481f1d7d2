"""--tty and --stdin: what they go with, and what a job is given. Without a terminal."""

from __future__ import annotations

import json
import os

import pytest

from maelstrom_core.errors import SpecError, UserError
from maelstrom_core.spec import EnvironmentElement
from maelstrom_run.cli import run_cli
from maelstrom_run.interactive import Interaction, adapt_image
from tests.unit.run.fake import FakeBackend


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("MAELSTROM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tty", "--one", "true"], "--tty and --one exclude each other"),
        (["--tty", "--stdin", "true"], "--tty and --stdin exclude each other"),
        (["--tty"], "--tty takes a command, or a job by --file"),
        (["--tty", "--file", "-"], "standard input is the terminal"),
        (["--stdin"], "--stdin takes a command, or --one with --file"),
        (["--stdin", "--file", "jobs"], "--stdin takes a command, or --one with --file"),
        (["--stdin", "--one"], "--stdin takes a command, or --one with --file"),
        (["--stdin", "--one", "--file", "-"], "--stdin takes a command, or --one with --file"),
    ],
)
def test_what_excludes_each_other(capsys, arguments, words):
    assert run_cli(arguments, FakeBackend()) == 2
    assert words in capsys.readouterr().err


def test_a_terminal_is_needed_for_a_terminal(monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 0)
    with pytest.raises(UserError, match="standard output is no terminal") as caught:
        run_cli(["--tty", "true"], FakeBackend())
    assert "--stdin" in (caught.value.hint or "")


def test_the_job_of_a_file_may_have_our_input(tmp_path):
    path = tmp_path / "job"
    path.write_text(json.dumps({"program": "exit", "arguments": ["6"]}))
    assert run_cli(["--stdin", "--one", "--file", str(path)], FakeBackend()) == 6


def test_a_job_has_one_standard_input(tmp_path):
    path = tmp_path / "job"
    path.write_text(json.dumps({"program": "true", "stdin": "text"}))
    with pytest.raises(SpecError, match="its specification has a `stdin`"):
        run_cli(["--stdin", "--one", "--file", str(path)], FakeBackend())


def test_mi2_a_wrong_escape_character_is_said_where_it_stands(capsys):
    with pytest.raises(UserError, match=r"--escape-char.*capital one"):
        run_cli(["--escape-char", "^a", "true"], FakeBackend())


def test_programs_of_an_image_know_our_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "odd$term")
    image = FakeBackend().image_container("oci:x")
    assert adapt_image(image, Interaction.TERMINAL).added_environment == (EnvironmentElement({"TERM": "odd$$term"}),)
    assert adapt_image(image, Interaction.INPUT) == image
    monkeypatch.delenv("TERM")
    assert adapt_image(image, Interaction.TERMINAL) == image
