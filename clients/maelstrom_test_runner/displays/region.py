"""What the fancy display shows below what scrolls, as rows of styled text. Pure: a state in, rows out.

A row is a sequence of spans, each a text and the parameters of an escape sequence for its colour ("" for none). No row
is wider than the terminal, and there are few of them, so that most of the screen stays for what scrolls.
"""

from __future__ import annotations

from collections.abc import Sequence

from maelstrom_test_runner.displays.text import spoken
from maelstrom_test_runner.lines import cells, cut_left, printable
from maelstrom_test_runner.state import RunState
from maelstrom_test_runner.status import Status

Span = tuple[str, str]
Row = tuple[Span, ...]

SHARE = 4
"""One row in so many is the display's."""
LEAST_ROWS = 4
TIME_WIDTH = 8
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_SPINNER = "|/-\\"
GREEN, RED, YELLOW, CYAN, DIM = "32", "31", "33", "36", "2"


def region(state: RunState, at: float, *, width: int, height: int, unicode: bool = True) -> list[Row]:
    """Return the rows, none longer than `width` - 1 columns."""
    room = max(LEAST_ROWS, height // SHARE)
    bottom = [_bar(state, width - 1, unicode=unicode)] if state.expected else []
    if state.busy and state.expected:  # more tests are still to come
        bottom.insert(0, ((cut_left(printable(state.busy), width - 1), DIM),))
    bottom.append(_counts(state, at, width - 1, unicode=unicode))
    return [*_running(state, at, width - 1, max(0, room - len(bottom))), *bottom]


def _running(state: RunState, at: float, width: int, room: int) -> list[Row]:
    """Return what has been running for longest, a test in a row, and how many more there are."""
    count = len(state.running)
    shown = count if count <= room else max(0, room - 1)
    rows: list[Row] = []
    for test, since in state.running.items():  # in the order in which they began
        if len(rows) == shown:
            break
        name = cut_left(printable(test.name), max(1, width - TIME_WIDTH - 1))
        rows.append(((f"{spoken(int(at - since)):>{TIME_WIDTH}} ", DIM), (name, "")))
    if shown < count and room:
        rows.append(((f"{'':{TIME_WIDTH}} and {count - shown} more"[:width], DIM),))
    return rows


def _parts(state: RunState) -> list[tuple[str, int, str]]:
    """Return what there is of each kind: word, number, colour."""
    ignored = state.statuses[Status.SKIPPED]
    return [
        ("ok", state.done - state.failed - ignored, GREEN),
        ("failed", state.failed, RED),
        ("ignored", ignored, YELLOW),
        ("running", len(state.running), CYAN),
        ("waiting", state.waiting, DIM),
    ]


def _bar(state: RunState, width: int, *, unicode: bool) -> Row:
    """Return a bar with a stretch for each kind; whatever there is of a kind has at least one column."""
    parts = [(number, colour) for _word, number, colour in _parts(state)]
    total = sum(number for number, _ in parts) or 1
    sizes = _stretches([number for number, _ in parts], total, width)
    full, light = ("━", "─") if unicode else ("#", "-")
    return tuple(
        ((light if colour == DIM else full) * size, colour)
        for size, (_, colour) in zip(sizes, parts, strict=True)
        if size
    )


def _stretches(numbers: Sequence[int], total: int, width: int) -> list[int]:
    """Divide `width` columns in proportion; none that is there vanishes as long as there are columns."""
    sizes = [max(1, number * width // total) if number else 0 for number in numbers]
    while sum(sizes) > width:
        sizes[sizes.index(max(sizes))] -= 1
    if any(sizes):
        sizes[sizes.index(max(sizes))] += width - sum(sizes)
    return sizes


def _counts(state: RunState, at: float, width: int, *, unicode: bool) -> Row:
    """Return the numbers, and how long it took and may take yet, as far as there is room: the last go first."""
    spinner = SPINNER if unicode else PLAIN_SPINNER
    sign = spinner[round(at * 10) % len(spinner)]
    if not state.expected:
        text = state.busy or "waiting for tests"
        return ((f"{sign} ", CYAN), (cut_left(printable(text), max(1, width - 2)), ""))
    left = state.time_left(at)
    spans: list[Span] = [(f"{sign} ", CYAN), (f"{state.done} of {state.expected}", "")]
    spans += [(f"{number} {word}", colour) for word, number, colour in _parts(state) if number]
    if left is not None and left >= 1:
        spans.append((f"{spoken(left)} left", ""))
    spans.append((spoken(int(at)), DIM))
    row: list[Span] = [spans[0]]
    used = cells(spans[0][0])
    for position, (text, colour) in enumerate(spans[1:]):
        gap = "  " if position else ""
        if used + len(gap) + cells(text) > width:
            break
        row.append((gap + text, colour))
        used += len(gap) + cells(text)
    return tuple(row)
