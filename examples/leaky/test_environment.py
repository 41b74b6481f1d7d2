"""The one thing: the environment of the process."""

import os

import app


def test_the_colour_can_be_set():
    os.environ["LEAKY_COLOUR"] = "never"
    assert app.settings() == {"colour": "never", "level": "info"}


def test_the_level_can_be_set():
    os.environ["LEAKY_LEVEL"] = "debug"
    assert app.settings() == {"colour": "auto", "level": "debug"}
