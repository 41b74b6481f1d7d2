"""A run as a file: one event in each line, as JSON; written while the run goes on, and read again.

What was written is in the file at once, so that it survives a crash; a last line that is cut off is passed over when it
is read. Imports the JSON codec where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_test_runner.events import FORMAT, AnyEvent, Begun, Event
from maelstrom_test_runner.state import RunState

LINE_LIMIT = 256 * 1024 * 1024


class Recorder:
    """Writes events to a file, anew. Raises UserError where that cannot be done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encode = msgspec.json.Encoder().encode
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise self._problem(error) from error

    def take(self, event: AnyEvent, _state: RunState) -> None:
        """Write an event."""
        try:
            line = self._encode(event)
        except UnicodeEncodeError:
            line = _without_surrogates(event)
        try:
            self._file.write(line + b"\n")
        except OSError as error:
            self.close()
            raise self._problem(error) from error

    def tick(self, at: float, state: RunState) -> None:
        """Time leaves no trace."""

    def close(self) -> None:
        """Close the file; every line is in it already."""
        self._file.close()

    def _problem(self, error: OSError) -> UserError:
        return UserError(
            f"failed to write the report {self._path}: {error.strerror}", hint="give --report another path"
        )


def _without_surrogates(event: Event) -> bytes:
    """Return an event that holds halves of characters, which JSON does not, with question marks instead."""
    import json

    text = json.dumps(msgspec.to_builtins(event), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def read(path: Path) -> Iterator[AnyEvent]:
    """Return the events of a file, as they are read. Raises UserError for what is no record of a run."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"failed to read the report {path}: {error.strerror}") from error
    decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
    with file:
        number = 0
        while line := file.readline(LINE_LIMIT):
            number += 1
            if not line.endswith(b"\n"):  # cut off: whoever wrote it was killed
                return
            try:
                event = decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise UserError(f"{path}, line {number}: this is no event of a run: {error}") from error
            if number == 1:
                _check_first(path, event)
            yield event


def _check_first(path: Path, event: AnyEvent) -> None:
    if not isinstance(event, Begun):
        raise UserError(f"{path} does not begin as the report of a run does")
    if event.format != FORMAT:
        raise UserError(
            f"{path} has format {event.format} of events, and this program knows {FORMAT}",
            hint=f"it was written by {event.runner} {event.version}",
        )
