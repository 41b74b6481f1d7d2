"""Suggestions, and reading of TOML files."""

from __future__ import annotations

import pytest

from maelstrom_core.errors import ConfigError
from maelstrom_core.suggest import hint, nearest
from maelstrom_core.toml_file import load_toml


def test_toml_file_is_read(tmp_path):
    (tmp_path / "a.toml").write_text('a = "ä"')
    assert load_toml(tmp_path / "a.toml") == {"a": "ä"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a = 1\nb = = 2", ":2:5: invalid value"),
        (b"a = 1\nb = [", ":2:6: "),
        (b"a = 1\n# \xff", ":2: the file is not UTF-8 text"),
        (b"a = " + b"1" * 5000, ": the file is not usable TOML"),
    ],
)
def test_broken_toml_is_an_error_with_file_line_and_column(tmp_path, text, message):
    path = tmp_path / "a.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load_toml(path)
    assert caught.value.message.startswith(f"{path}{message}")


def test_missing_toml_file_is_the_callers_decision(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_toml(tmp_path / "a.toml")


def test_unreadable_toml_file_is_an_error_with_its_cause(tmp_path):
    with pytest.raises(ConfigError, match=r"failed to read .*directory"):
        load_toml(tmp_path)


def test_file_too_large_for_a_configuration_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("maelstrom_core.toml_file.MAXIMUM_FILE_SIZE", 10)
    (tmp_path / "a.toml").write_text("a = 1 # and so on")
    with pytest.raises(ConfigError, match="more than 10 bytes"):
        load_toml(tmp_path / "a.toml")


def test_suggestion_sees_through_the_spelling_of_keys():
    assert nearest("Cache-Rot", ["cache_root", "slots"]) == "cache_root"


def test_without_anything_near_the_names_are_listed():
    assert hint("qqq", ["alpha", "beta"]) == "known are: alpha, beta"
    assert hint("qqq", []) is None
