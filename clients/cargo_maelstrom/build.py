"""The call of cargo that builds. It can begin before the workspace is known: what it says is held back until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from cargo_maelstrom.processes import stream

Line = Callable[[bytes], object]
Words = Callable[[str], object]


class Build:
    """One call, as a task of the event loop."""

    def __init__(
        self,
        cargo: str,
        arguments: Sequence[str],
        directory: str,
        *,
        shown: bool,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Begin; where nothing is `shown` cargo's words go where ours go, at once."""
        self._held: list[tuple[bytes | None, str]] = []
        self._line: Line | None = None
        self._words: Words | None = None
        calling = stream(
            cargo,
            arguments,
            directory,
            line=self._take_line,
            words=self._take_words if shown else None,
            variables=variables,
        )
        self._task = asyncio.get_running_loop().create_task(calling)

    async def follow(self, line: Line, words: Words) -> int:
        """Hand on lines of its output, and its words, from the first on; return its exit code. Raises UserError."""
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
