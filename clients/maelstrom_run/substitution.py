"""A command for many inputs: where the input, and the number of its job, stand in the words of the command.

Pure; imports nothing of the project.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

INPUT = "{}"
NUMBER = "{#}"


class CommandPattern:
    """The words of a command with marks in them; `mark` stands for the input, `{#}` for the job's number.

    A command without marks has its input as last word. What is put in is not looked at again: an input may hold marks.
    """

    def __init__(self, words: Sequence[str], mark: str = INPUT) -> None:
        marks = re.compile(f"({re.escape(mark)}|{re.escape(NUMBER)})")
        pieces = [marks.split(word) for word in words]  # texts and marks in turns
        if all(len(word) == 1 for word in pieces):
            pieces.append(["", mark, ""])
        self._mark = mark
        self._pieces = pieces

    def words(self, text: str, number: int) -> tuple[str, ...]:
        """Return the words of the command for an input and the number of its job."""
        instead = {self._mark: text, NUMBER: str(number)}
        return tuple(
            word[0]
            if len(word) == 1
            else "".join(instead[piece] if index % 2 else piece for index, piece in enumerate(word))
            for word in self._pieces
        )
