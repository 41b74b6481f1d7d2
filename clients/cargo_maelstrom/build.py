"""The call of cargo that builds. It can begin before the workspace is known: what it says is held back until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cargo_maelstrom.processes import stream
from maelstrom_test_runner.children import Child

Line = Callable[[bytes], object]
Words = Callable[[str], object]


class Build:
    """One call, as a task of the event loop."""

    def __init__(self, child: Child) -> None:
        """Begin to listen; where error output is no pipe cargo's words go where ours go, at once."""
        self._held: list[tuple[bytes | None, str]] = []
        self._line: Line | None = None
        self._words: Words | None = None
        calling = stream(child, line=self._take_line, words=self._take_words)
        self._task = asyncio.get_running_loop().create_task(calling)

    async def follow(self, line: Line, words: Words) -> int:
        """Hand on lines of its output, and its words, from the first on; return its exit code."""
        self._line, self._words = line, words
        held, self._held = self._held, []
        for each, said in held:
            if each is None:
                words(said)
            else:
                line(each)
        return await self._task

    def _take_line(self, line: bytes) -> None:
        if self._line is None:
            self._held.append((line, ""))
        else:
            self._line(line)

    def _take_words(self, words: str) -> None:
        if self._words is None:
            self._held.append((None, words))
        else:
            self._words(words)

    async def stop(self) -> None:
        """Have it gone, if it is not over."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
