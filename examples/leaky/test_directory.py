"""The one thing: the working directory of the process."""

import app


def test_small_numbers_are_loaded():
    assert app.load("small.txt") == [1, 2, 3]


def test_large_numbers_are_loaded():
    assert app.load("large.txt") == [10, 20]
