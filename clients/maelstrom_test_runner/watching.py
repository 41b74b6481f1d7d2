"""`--watch`: the same program again whenever something in the project changes, until ^C.

Each round is a process of its own, so nothing of one reaches the next. A change during a round ends it, with its
summary: what is being waited for is the verdict on the files as they are now. Who writes a file often writes others
right behind it, so a round begins when nothing has changed for a moment. watchfiles does the watching.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from watchfiles import BaseFilter, Change, DefaultFilter, watch

from maelstrom_core.errors import HostError
from maelstrom_test_runner.ignored import Ignored
from maelstrom_test_runner.lines import printable
from maelstrom_test_runner.summary import EXIT_INTERRUPTED

STEP = 100
"""Milliseconds without a change after which a round begins."""
DEBOUNCE = 2000
"""Milliseconds after which one begins though changes go on."""
POLL = 200
"""Milliseconds between looks at the round that runs."""
NAMED = 3
Command = Callable[[Sequence[str]], Sequence[str]]
"""Returns the command of a round, from the paths that have changed since the last one, sorted."""


class _Filter(DefaultFilter):
    """What editors, caches and version control leave behind is no change."""

    def __init__(self, ignored: Ignored) -> None:
        super().__init__()
        self._ignored = ignored

    def __call__(self, change: Change, path: str) -> bool:
        return super().__call__(change, path) and not self._ignored(path)


def watch_project(root: Path, ignored: Ignored, command: Command, stream: TextIO) -> int:
    """Run rounds until ^C, and return the exit code for that. Raises HostError where nothing can be watched."""
    changed: set[str] = set()
    round_: subprocess.Popen[bytes] | None = _start(command, changed)
    try:
        for changes in _changes(root, _Filter(ignored)):
            changed |= {path for _, path in changes}
            if round_ is not None and (changed or round_.poll() is not None):
                _end(round_)
                round_ = None
                if not changed:
                    _say(stream, "waiting for changes; ^C ends this")
            if changed:
                _say(stream, f"changed: {_named(root, changed)}")
                ignored.forget()
                round_ = _start(command, changed)
                changed.clear()
    except KeyboardInterrupt:
        pass
    finally:
        if round_ is not None:
            _end(round_)
    return EXIT_INTERRUPTED


def _changes(root: Path, watch_filter: BaseFilter) -> Iterator[set[tuple[Change, str]]]:
    try:
        yield from watch(
            root, watch_filter=watch_filter, step=STEP, debounce=DEBOUNCE, rust_timeout=POLL, yield_on_timeout=True
        )
    except OSError as error:
        raise HostError(
            f"failed to watch {root} for changes: {error}",
            hint="the limits are in /proc/sys/fs/inotify: max_user_watches, max_user_instances",
        ) from error


def _start(command: Command, changed: set[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(sorted(changed)))


def _end(round_: subprocess.Popen[bytes]) -> None:
    """Let a round end with its summary, if it has not ended yet."""
    if round_.poll() is None:
        round_.send_signal(signal.SIGINT)
    while True:
        try:
            round_.wait()
        except KeyboardInterrupt:  # it has got that, too
            continue
        return


def _named(root: Path, changed: set[str]) -> str:
    names = sorted(path.removeprefix(f"{root}/") for path in changed)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(printable(name) for name in names[:NAMED]) + more


def _say(stream: TextIO, text: str) -> None:
    stream.write(f"\n{text}\n")
    stream.flush()
