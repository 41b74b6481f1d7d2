"""The status words of a test, the same for all runners and all reports. Imports nothing of the project."""

from __future__ import annotations

import enum


class Status(enum.Enum):
    """What became of a test; the value is the word users see."""

    PASSED = "OK"
    FAILED = "FAIL"
    ERROR = "ERROR"
    """Its setup or teardown failed."""
    SKIPPED = "IGNORED"
    XFAIL = "XFAIL"
    """It failed, as it was expected to."""
    XPASS = "XPASS"
    """It passed, though it was expected to fail."""
    FLAKY = "FLAKY"
    """It failed, and passed when it was tried again."""
    TIMEOUT = "TIMEOUT"
    ERR = "ERR"
    """It could not be run to its end: its process died, or the machinery failed."""

    __hash__ = object.__hash__  # there is one of each; an enumeration's own is ten times as slow

    @property
    def is_failure(self) -> bool:
        """Whether a run with such a test has failed."""
        return self in FAILURES

    @property
    def colour(self) -> str:
        """The escape sequence parameters that go with it."""
        if self.is_failure:
            return "31"
        return "33" if self in {Status.SKIPPED, Status.XFAIL, Status.XPASS, Status.FLAKY} else "32"


FAILURES = frozenset({Status.FAILED, Status.ERROR, Status.TIMEOUT, Status.ERR})
