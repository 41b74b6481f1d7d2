"""Configuration, where values come from: behaviours MI6 and MI15, section 9 of the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_core.config import LocalConfig, Program, Value, cache_directory
from maelstrom_core.config_kinds import Choice, Text
from maelstrom_core.config_sources import ConfigFile, config_paths, read_files, resolve
from maelstrom_core.errors import ConfigError
from maelstrom_core.job import DEFAULT_INLINE_LIMIT
from tests.unit.core.try_config import PROGRAM, TryConfig


def of(
    options: dict[str, object] | None = None, environ: dict[str, str] | None = None, *files: dict[str, object]
) -> TryConfig:
    sources = [ConfigFile(Path(f"/{n}.toml"), values) for n, values in enumerate(files, 1)]
    return resolve(
        PROGRAM, TryConfig, options={"broker": "b", **(options or {})}, environ=environ or {}, files=sources
    ).config


# sources


def test_mi6_order_of_sources():
    options: dict[str, object] = {"slots": "1"}
    own, general = {"MAELSTROM_TRY_SLOTS": "2"}, {"MAELSTROM_SLOTS": "3"}
    near, far = {"slots": 5}, {"slots": 6}
    assert of(options, own | general, near, far).slots == 1
    assert of({}, own | general, near, far).slots == 2
    assert of({}, general, near, far).slots == 3
    assert of({}, {}, near, far).slots == 5
    assert of({}, {}, {}, far).slots == 6
    assert of().slots == 4


def test_mi6_files_are_merged_key_by_key():
    config = of({}, {}, {"slots": 5}, {"slots": 6, "mood": "bad"})
    assert (config.slots, config.mood) == (5, "bad")


def test_a_relative_path_starts_where_it_was_written(monkeypatch, tmp_path):
    """At the current directory for what was typed or exported, at its own directory for a file."""
    monkeypatch.chdir(tmp_path)
    assert of({"place": "a/b"}).place == tmp_path / "a/b"
    assert of({}, {"MAELSTROM_PLACE": "a/b"}).place == tmp_path / "a/b"
    assert of({}, {}, {"place": "a/b"}).place == Path("/a/b")
    assert of({}, {}, {"place": "/a/b"}).place == Path("/a/b")


def test_a_file_that_is_named_by_a_relative_path_has_its_own_directory(monkeypatch, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "file.toml").write_text('broker = "b"\nplace = "cache"\n')
    monkeypatch.chdir(tmp_path)
    files = read_files(PROGRAM, {}, "config/file.toml")
    config = resolve(PROGRAM, TryConfig, options={}, environ={}, files=files).config
    assert config.place == tmp_path / "config" / "cache"


def test_a_relative_path_without_a_current_directory_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match=r"option --place: `a` is relative, and the current directory is gone"):
        of({"place": "a"})


def test_mi6_missing_value_names_option_variables_and_key():
    with pytest.raises(ConfigError) as caught:
        resolve(PROGRAM, TryConfig, options={}, environ={}, files=[])
    assert caught.value.message == "a value for `broker` is missing"
    for name in ("--broker", "MAELSTROM_TRY_BROKER", "MAELSTROM_BROKER", "`broker`"):
        assert name in str(caught.value.hint)


def test_prefixes_of_a_program_that_ends_in_maelstrom():
    assert TryConfig.slots.variables(Program("cargo-maelstrom", "cargo-maelstrom")) == (
        "CARGO_MAELSTROM_SLOTS",
        "MAELSTROM_SLOTS",
    )


@pytest.mark.parametrize(
    ("name", "text", "toml", "value"),
    [
        ("slots", "7", 7, 7),
        ("cache_size", "1.23 MB", "1.23 MB", 1_230_000),
        ("cache_size", "1000", 1000, 1000),
        ("quick", "true", True, True),
        ("quick", "false", False, False),
        ("extra", " a  b ", ["a", "b"], ("a", "b")),
        ("timeout", "1.5", 1.5, 1.5),
        ("timeout", "2", 2, 2.0),
        ("mood", "bad", "bad", "bad"),
        ("place", "/a/b", "/a/b", Path("/a/b")),
    ],
)
def test_mi6_each_kind_from_environment_and_file(name, text, toml, value):
    assert getattr(of({}, {f"MAELSTROM_{name.upper()}": text}), name) == value
    assert getattr(of({}, {}, {name.replace("_", "-"): toml}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("slots", "0", "0 is too small, the smallest is 1"),
        ("slots", "1001", "1001 is too big, the biggest is 1000"),
        ("slots", "four", "`four` is not an integer"),
        ("slots", "", "`` is not an integer"),
        ("cache_size", "10 XB", "`XB` is not a unit of size"),
        ("cache_size", "-1", "`-1` is not a size"),
        ("quick", "yes", "`yes` is neither `true` nor `false`"),
        ("timeout", "-1", "`-1` is no number of seconds"),
        ("timeout", "nan", "`nan` is no number of seconds"),
        ("mood", "ugly", "`ugly` is not one of good, bad"),
        ("place", "", "an empty text is no path"),
    ],
)
def test_wrong_text_is_an_error_that_names_the_variable(name, text, message):
    with pytest.raises(ConfigError) as caught:
        of({}, {f"MAELSTROM_{name.upper()}": text})
    assert caught.value.message.startswith(f"environment variable MAELSTROM_{name.upper()}: {message}")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("slots", "4", "expected an integer, got '4'"),
        ("slots", True, "expected an integer, got True"),
        ("slots", 1001, "1001 is too big, the biggest is 1000"),
        ("cache_size", 1.5, "expected a size, such as 1000 or '1.5 MB', got 1.5"),
        ("quick", "true", "expected true or false, got 'true'"),
        ("extra", "a b", "expected a list of strings, got 'a b'"),
        ("extra", ["a", 1], "expected a list of strings, got ['a', 1]"),
        ("timeout", "1", "expected a number, got '1'"),
        ("mood", 3, "expected a string, got 3"),
        ("broker", 3, "expected a string, got 3"),
    ],
)
def test_wrong_value_in_a_file_is_an_error_that_names_file_and_key(name, value, message):
    key = name.replace("_", "-")
    with pytest.raises(ConfigError) as caught:
        resolve(PROGRAM, TryConfig, options={}, environ={}, files=[ConfigFile(Path("/f"), {"broker": "b", key: value})])
    assert caught.value.message == f"file /f, key `{key}`: {message}"


def test_unknown_key_is_an_error_with_a_suggestion():
    with pytest.raises(ConfigError) as caught:
        of({}, {}, {"cache_size": 4})
    assert caught.value.message == "file /1.toml: unknown key `cache_size`"
    assert caught.value.hint == "did you mean `cache-size`?"


def test_unknown_variable_of_the_program_is_an_error_with_a_suggestion():
    with pytest.raises(ConfigError) as caught:
        of({}, {"MAELSTROM_TRY_SLOT": "4"})
    assert caught.value.message == "unknown environment variable MAELSTROM_TRY_SLOT"
    assert caught.value.hint == "did you mean `MAELSTROM_TRY_SLOTS`?"


def test_general_variables_may_be_meant_for_other_programs():
    assert of({}, {"MAELSTROM_OTHER_THING": "4"}).slots == 4


# files


def test_mi15_paths_of_configuration_files():
    environ = {"XDG_CONFIG_HOME": "/home/x", "XDG_CONFIG_DIRS": "/etc/a:relative:/etc/b"}
    assert [str(path) for path in config_paths(PROGRAM, environ)] == [
        "/home/x/maelstrom/try/config.toml",
        "/etc/a/maelstrom/try/config.toml",
        "/etc/b/maelstrom/try/config.toml",
    ]


@pytest.mark.parametrize("environ", [{"HOME": "/h"}, {"HOME": "/h", "XDG_CONFIG_HOME": "relative"}])
def test_mi15_default_paths(environ):
    assert [str(path) for path in config_paths(PROGRAM, environ)] == [
        "/h/.config/maelstrom/try/config.toml",
        "/etc/xdg/maelstrom/try/config.toml",
    ]


def xdg_file(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "maelstrom" / "try" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": "/nowhere"}


def test_mi15_existing_files_are_read(tmp_path):
    files = read_files(PROGRAM, xdg_file(tmp_path, "slots = 3"), None)
    assert [file.values for file in files] == [{"slots": 3}]


def test_mi15_dash_means_no_file(tmp_path):
    assert read_files(PROGRAM, xdg_file(tmp_path, "slots = 3"), "-") == []


def test_mi15_chosen_file_is_the_only_one(tmp_path):
    environ = xdg_file(tmp_path, "slots = 3")
    (tmp_path / "own.toml").write_text("mood = 'bad'")
    files = read_files(PROGRAM, environ, str(tmp_path / "own.toml"))
    assert [file.values for file in files] == [{"mood": "bad"}]


def test_mi15_chosen_file_has_to_exist(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_files(PROGRAM, {}, str(tmp_path / "own.toml"))


# the declaration


def test_values_are_typed_and_do_not_change():
    config = TryConfig(broker="b", slots=2)
    slots: int = config.slots
    assert slots == 2
    with pytest.raises(AttributeError):
        config.slots = 3  # type: ignore[misc]


def test_configuration_of_wrong_names_is_refused():
    with pytest.raises(TypeError, match="slot"):
        TryConfig(broker="b", slot=2)
    with pytest.raises(TypeError, match="broker"):
        TryConfig()


def test_values_declared_again_keep_their_place():
    class Own(LocalConfig):
        log_level = Value(Choice("a", "b"), "Other.", default="a")
        more = Value(Text(), "More.", default="")

    assert [value.name for value in Own.schema()] == [
        "log_level",
        "cache_root",
        "cache_size",
        "inline_limit",
        "slots",
        "more",
    ]
    assert Own().log_level == "a"


def test_standard_defaults():
    config = resolve(PROGRAM, LocalConfig, options={}, environ={"HOME": "/h"}, files=[]).config
    assert config.cache_root == Path("/h/.cache/maelstrom")
    assert config.cache_size == 10_000_000_000
    assert config.inline_limit == DEFAULT_INLINE_LIMIT
    assert 1 <= config.slots <= 1000
    assert config.log_level == "warning"


def test_mi15_cache_directory_follows_xdg():
    assert cache_directory({"XDG_CACHE_HOME": "/c"}) == Path("/c/maelstrom")
    assert cache_directory({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path("/h/.cache/maelstrom")
