"""What holds for all tests: nothing that hypothesis runs has a deadline, as no test asserts a time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("maelstrom", deadline=None)
settings.load_profile("maelstrom")
