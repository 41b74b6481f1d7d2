"""The one thing: a variable of a module."""

import app


def test_csv_can_be_registered():
    assert app.register("csv") == ["csv"]


def test_json_can_be_registered():
    assert app.register("json") == ["json"]
