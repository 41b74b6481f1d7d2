"""The one thing: a name in /tmp."""

import app


def test_a_short_answer_is_remembered():
    app.remember("42")
    assert app.CACHE.read_text() == "42"


def test_a_long_answer_is_remembered():
    app.remember("42" * 1000)
    assert len(app.CACHE.read_text()) == 2000
