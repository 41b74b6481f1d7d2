"""The exceptions of the whole project, in one tree.

    MaelstromError                what was being done, to what, what is wrong; `hint` says what to do
    ├── UserError                 the user's: exit code 2
    │   ├── SpecError             a container or job specification is wrong
    │   └── ConfigError           an option, an environment variable or a configuration file is wrong
    └── InfrastructureError       ours or this machine's: exit code 3
        └── HostError             this host does not allow what a container needs

A job that fails is not an exception but a value: see `maelstrom_core.job`. Exceptions are rendered once,
by the program's edge (`render`); a traceback is shown for bugs only. Imports nothing of the project.
"""

from __future__ import annotations


class MaelstromError(Exception):
    """Something could not be done; `str(error)` is one clear message without a trailing full stop."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def render(self) -> str:
        """Return the text for a terminal: the message, and the hint on a line of its own."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UserError(MaelstromError):
    """The request is wrong: the user can mend it."""

    exit_code = 2


class SpecError(UserError):
    """A container or job specification is wrong."""


class ConfigError(UserError):
    """An option, an environment variable or a configuration file is wrong."""


class InfrastructureError(MaelstromError):
    """The request is fine, the machinery could not do its part."""


class HostError(InfrastructureError):
    """What a container needs is not allowed on this host; the hint names the switch."""
