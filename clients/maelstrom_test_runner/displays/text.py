"""What displays print of events, as lines. Pure: texts in, texts out."""

from __future__ import annotations

from maelstrom_test_runner.events import Attempt, Finished, Output
from maelstrom_test_runner.lines import plain, prefixed_lines, printable, shown_line
from maelstrom_test_runner.state import RunState


def detail_lines(event: Finished, *, colour: bool) -> list[str]:
    """Return what is printed below the line of a test: the native runner's words, or why there are none."""
    lines = []
    if event.worker and event.status.is_failure:
        lines.append(f"worker: {printable(event.worker)}")
    for number, attempt in enumerate(event.attempts, 1):
        at = f" at {printable(attempt.worker)}" if attempt.worker else ""
        lines += [f"attempt {number}: {attempt.status.value}{at}", *_attempt_lines(attempt, colour=colour)]
    return lines + _attempt_lines(event, colour=colour)


def _attempt_lines(attempt: Finished | Attempt, *, colour: bool) -> list[str]:
    lines = [line for text in attempt.texts for line in prefixed_lines(text if colour else plain(text))]
    if attempt.detail:
        lines += prefixed_lines(attempt.detail)
        if attempt.hint:
            lines.append(f"  hint: {attempt.hint}")
        lines += prefixed_lines(attempt.stderr, "stderr: ")
    return lines


def output_lines(event: Output, state: RunState, *, colour: bool) -> list[str]:
    """Return what a running test has written, behind its name where others may write between."""
    alone = state.begun is not None and (state.begun.slots == 1 or state.expected == 1)
    prefix = "" if alone else f"{printable(event.test.name)}: "
    return [prefix + shown_line(line, colour=colour) for line in prefixed_lines(event.text)]


def progress_text(state: RunState, at: float) -> str:
    """Return the one line that says how far a run is."""
    if state.busy and not state.expected:
        return state.busy
    failed = f", {state.failed} failed" if state.failed else ""
    of = f" of {state.expected}" if state.expected is not None else ""
    left = state.time_left(at)
    time = f", {spoken(left)} left" if left is not None and left >= 1 else ""
    name = state.busy or next((test.name for test in state.running), "")
    return f"{state.done}{of} done{failed}, {len(state.running)} running{time}  {printable(name)}"


def spoken(seconds: float) -> str:
    """Return a time as people say it: 5 s, 2:05, 1:02:05."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
