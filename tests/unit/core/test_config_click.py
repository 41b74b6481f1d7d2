"""Configuration on the command line: behaviours MI6 and MI15."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from maelstrom_core.config_click import build_command, run_command
from maelstrom_core.config_sources import ConfigFile
from maelstrom_core.errors import ConfigError
from tests.unit.core.try_config import PROGRAM, TryConfig


def run(*arguments: str, environ: dict[str, str] | None = None) -> tuple[int, TryConfig | None]:
    seen: list[TryConfig] = []

    def main(config: TryConfig) -> int:
        seen.append(config)
        return 0

    variables = {"HOME": "/nowhere", "XDG_CONFIG_DIRS": "/nowhere"} | (environ or {})
    command = build_command(PROGRAM, TryConfig, main, summary="Tries.", environ=variables)
    code = run_command(command, arguments)
    return code, seen[0] if seen else None


def test_options_of_every_kind():
    code, config = run(
        *("-b", "x", "--slots", "2", "--quick", "--extra", "a b", "--extra", "c", "--cache-size", "1kB"),
        *("--timeout", "3", "--mood", "bad", "--place", "~/x"),
        environ={"MAELSTROM_TRY_SLOTS": "9"},
    )
    assert code == 0
    assert config is not None
    assert (config.broker, config.slots, config.quick, config.extra) == ("x", 2, True, ("a b", "c"))
    assert (config.cache_size, config.timeout, config.mood) == (1000, 3.0, "bad")
    assert config.place.is_absolute()


def test_flag_is_switched_off_on_the_command_line():
    _, config = run("-b", "x", "--no-quick", environ={"MAELSTROM_QUICK": "true"})
    assert config is not None
    assert config.quick is False
    _, config = run("-b", "x", environ={"MAELSTROM_QUICK": "true"})
    assert config is not None
    assert config.quick is True


def test_wrong_option_value_names_the_option():
    with pytest.raises(ConfigError) as caught:
        run("-b", "x", "--slots", "0")
    assert caught.value.message == "option --slots: 0 is too small, the smallest is 1"
    assert caught.value.exit_code == 2


def test_unknown_option_is_a_usage_error(capsys):
    assert run("--slot", "4") == (2, None)
    assert "--slots" in capsys.readouterr().err


def test_help_names_options_variables_and_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run("-h") == (0, None)
    text = " ".join(capsys.readouterr().out.split())
    assert "--slots N" in text
    assert "MAELSTROM_TRY_SLOTS, MAELSTROM_SLOTS" in text
    assert "--quick / --no-quick" in text
    assert "[default: home]" in text
    assert "[required]" in text


def test_print_config_shows_values_and_where_they_come_from(capsys):
    assert run("-P", "--slots", "2", environ={"MAELSTROM_TRY_BROKER": "b", "HOME": "/h"}) == (0, None)
    assert capsys.readouterr().out.splitlines() == [
        'broker = "b"  # environment variable MAELSTROM_TRY_BROKER',
        "slots = 2  # option --slots",
        "cache-size = 1000  # default",
        "quick = false  # default",
        "extra = []  # default",
        "# timeout is not set  # default",
        'mood = "good"  # default',
        'place = "/h"  # default',
    ]


def test_printed_configuration_can_be_read_back(tmp_path, capsys):
    run("-P", "-b", 'a"\\ä', "--extra", "x y", "--timeout", "2.5", "--place", "/p")
    (tmp_path / "own.toml").write_text(capsys.readouterr().out)
    _, config = run("-c", str(tmp_path / "own.toml"))
    assert config is not None
    assert (config.broker, config.extra, config.timeout, config.place) == ('a"\\ä', ("x y",), 2.5, Path("/p"))


def test_version(capsys):
    assert run("--version") == (0, None)
    assert capsys.readouterr().out.startswith("maelstrom-try ")


def test_program_adds_its_own_arguments_and_options():
    seen: list[Any] = []

    def main(config: TryConfig, words: tuple[str, ...], file: str | None) -> int:
        seen.append((config.slots, words, file))
        return 7

    parameters = [click.Option(["-f", "--file"]), click.Argument(["words"], nargs=-1)]
    command = build_command(
        PROGRAM, TryConfig, main, summary="", parameters=parameters, environ={"HOME": "/h"}, options_first=True
    )
    assert run_command(command, ["-b", "x", "-f", "y", "echo", "-n", "--slots"]) == 7
    assert seen == [(4, ("echo", "-n", "--slots"), "y")]


def test_interruption_is_not_swallowed():
    def main(config: TryConfig) -> int:
        raise KeyboardInterrupt

    command = build_command(PROGRAM, TryConfig, main, summary="", environ={"HOME": "/h"})
    with pytest.raises(KeyboardInterrupt):
        run_command(command, ["-b", "x"])


def test_a_projects_file_goes_behind_the_environment_and_before_the_users(tmp_path):
    user = tmp_path / "config.toml"
    user.write_text('slots = 1\nmood = "bad"\nbroker = "user"\n')
    project = ConfigFile(tmp_path / "project" / "own.toml", {"slots": 2, "mood": "good", "place": "here"})
    got = []

    def main(config: TryConfig) -> int:
        got.append(config)
        return 0

    environ = {"HOME": "/h", "MAELSTROM_TRY_SLOTS": "3"}
    command = build_command(PROGRAM, TryConfig, main, summary="", environ=environ, project_files=lambda: [project])
    for arguments, mood, broker in ((["-c", str(user)], "good", "user"), (["-c", "-", "-b", "x"], "good", "x")):
        assert run_command(command, arguments) == 0
        config = got.pop()
        assert (config.slots, config.mood, config.broker) == (3, mood, broker)
        assert config.place == tmp_path / "project" / "here"
