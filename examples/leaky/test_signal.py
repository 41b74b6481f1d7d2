"""The one thing: what the process does on a signal."""

import signal

import app


def test_the_request_is_handled():
    app.reload_on_request()
    assert signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL


def test_the_request_does_not_end_the_program():
    app.reload_on_request()
    signal.raise_signal(signal.SIGUSR1)
    assert app.settings()["level"] == "info"
