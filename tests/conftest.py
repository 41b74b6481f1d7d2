"""What holds for all tests: no deadlines of hypothesis, as none asserts a time; what they start can be interrupted."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("maelstrom", deadline=None)
settings.load_profile("maelstrom")

# What a shell or nohup has ignored for who runs in the background, all that is started from there would ignore as well.
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
