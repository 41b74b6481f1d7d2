"""What GitHub shows of a run of its Actions: an annotation for each failure, and a summary of the step.

Facts: workflow commands (`::error file=...,line=...,title=...::message`) are lines of the job's output, with `%`, line
ends, and in properties also `:` and `,` escaped; at most ten annotations of a kind are kept of a step. The summary is
Markdown that is added to the file which GITHUB_STEP_SUMMARY names, at most 1 MiB.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from maelstrom_core.errors import UserError
from maelstrom_test_runner.displays.text import spoken
from maelstrom_test_runner.events import AnyEvent, Ended, Finished
from maelstrom_test_runner.lines import plain
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status

ANNOTATIONS = 10
LISTED = 100
TEXT_LIMIT = 4000
"""Characters of a failure's text in the summary."""


class GitHubReport:
    """Writes annotations to `stream`, between the lines of the display, and the summary to a file."""

    def __init__(self, stream: TextIO, summary: Path | None, *, root: str | None = None) -> None:
        self._stream = stream
        self._root = root
        self._summary = summary
        self._failures: list[Finished] = []

    def take(self, event: AnyEvent, state: RunState) -> None:
        """Keep failures; write everything when the run has ended."""
        if isinstance(event, Finished) and event.status.is_failure and len(self._failures) < LISTED:
            self._failures.append(event)
        elif isinstance(event, Ended):
            self._stream.write("".join(annotation(each, self._root) for each in self._failures[:ANNOTATIONS]))
            self._stream.flush()
            if self._summary is not None and (state.expected is not None or state.interrupted):
                self._append(summary_text(state, self._failures, event.at), self._summary)

    def tick(self, at: float, state: RunState) -> None:
        """Time changes nothing."""

    def close(self) -> None:
        """Have nothing to let go of."""

    def _append(self, text: str, path: Path) -> None:
        try:
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            raise UserError(f"failed to write the summary for GitHub to {path}: {error.strerror}") from error


def annotation(event: Finished, root: str | None = None) -> str:
    """Return the line that makes an annotation of a failure; `root` is the directory of the repository."""
    file = event.file.removeprefix(f"{root.rstrip('/')}/") if root else event.file
    place = f"file={_escaped(file)},line={event.line}," if file else ""
    text = _message(event)
    return f"::error {place}title={_escaped(event.test.name)}::{_data(text)}\n"


def _message(event: Finished) -> str:
    marks = [mark.message for case in event.cases for mark in case.marks if mark.message]
    return plain(event.detail.strip() or (marks[0] if marks else event.status.value))[:TEXT_LIMIT]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary_text(state: RunState, failures: list[Finished], seconds: float) -> str:
    """Return the summary of a run in Markdown."""
    summary = state.summary()
    runner = state.begun.runner if state.begun is not None else "tests"
    verdict = "interrupted" if state.interrupted else f"{summary.failures} failed" if summary.failures else "passed"
    good = summary.count(Status.PASSED, Status.XFAIL, Status.XPASS)
    lines = [
        f"### {runner}: {verdict}",
        "",
        "| successful | failed | ignored | not run | time |",
        "|---:|---:|---:|---:|---:|",
        f"| {good} | {summary.failures} | {summary.count(Status.SKIPPED)} | {summary.not_run} | {spoken(seconds)} |",
        "",
    ]
    for event in failures:
        text = plain("".join(event.texts) or event.detail)[-TEXT_LIMIT:]
        fence = "`" * max(3, _longest_run(text, "`") + 1)
        name = event.test.name.replace("&", "&amp;").replace("<", "&lt;")
        lines += [f"<details><summary>{name}</summary>", "", fence, text.rstrip("\n"), fence, "", "</details>", ""]
    if summary.failures > len(failures):
        lines += [f"and {summary.failures - len(failures)} more failures", ""]
    return "\n".join(lines)


def _longest_run(text: str, character: str) -> int:
    longest = current = 0
    for each in text:
        current = current + 1 if each == character else 0
        longest = max(longest, current)
    return longest
