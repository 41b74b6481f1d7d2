"""The one thing: a helper process, and the name it holds."""

import app


def test_the_helper_runs():
    assert app.start_helper().poll() is None


def test_the_helper_takes_work():
    helper = app.start_helper()
    helper.stdin.write(b"work\n")
    helper.stdin.flush()
    assert helper.poll() is None
