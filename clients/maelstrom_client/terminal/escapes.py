"""What a user types for us, told from what is typed for the job. Pure.

The escape character begins a command: with ^C it is to quit, with ^Z to suspend, twice it is the character itself.
Before anything else it means nothing, and both are the job's.
"""

from __future__ import annotations

import enum


class Command(enum.Enum):
    """What the user wants of us."""

    QUIT = "quit"
    SUSPEND = "suspend"


COMMANDS = {0x03: Command.QUIT, 0x1A: Command.SUSPEND}
"""By the character after the escape character: ^C and ^Z."""

Typed = bytes | Command


class Escapes:
    """Reads what is typed, piece by piece."""

    def __init__(self, character: int) -> None:
        self._character = character
        self.pending = False
        """Whether the escape character has been typed, and what it means depends on what comes next."""

    def feed(self, data: bytes) -> list[Typed]:
        """Return what was typed, in order: bytes for the job, and commands."""
        found: list[Typed] = []
        plain = bytearray()
        for byte in data:
            if not self.pending:
                if byte == self._character:
                    self.pending = True
                else:
                    plain.append(byte)
                continue
            self.pending = False
            command = COMMANDS.get(byte) if byte != self._character else None
            if command is None:
                plain += bytes((byte,)) if byte == self._character else bytes((self._character, byte))
                continue
            if plain:
                found.append(bytes(plain))
                plain.clear()
            found.append(command)
        if plain:
            found.append(bytes(plain))
        return found

    def flush(self) -> bytes:
        """Return the escape character if it is pending: nothing came after it for so long that it is the job's."""
        if not self.pending:
            return b""
        self.pending = False
        return bytes((self._character,))
