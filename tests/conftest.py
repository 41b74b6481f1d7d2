"""What holds for all tests: hypothesis has no deadline, as no test asserts a time; and ^C reaches what tests start."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("maelstrom", deadline=None)
settings.load_profile("maelstrom")

# A shell ignores it for what it starts in the background, and whoever is started with that ignores it as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
