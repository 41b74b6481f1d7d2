"""Imports without what they would import in turn."""

import sys

import pytest

from maelstrom_core.left_out import left_out


def test_a_module_is_not_there_meanwhile_and_is_afterwards(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with left_out("this"), pytest.raises(ModuleNotFoundError):
        __import__("this")
    assert "this" not in sys.modules
    with pytest.raises(KeyError), left_out("this"):
        raise KeyError
    assert "this" not in sys.modules


def test_what_is_imported_already_stays():
    with left_out("json"):
        import json
    assert sys.modules["json"] is json
