"""A run told from its beginning to its end: to the display and the reports that were asked for, also after ^C.

What the run does is the caller's. No event loop is needed, and none is imported.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TextIO

from maelstrom_core.errors import MaelstromError
from maelstrom_test_runner import events
from maelstrom_test_runner.config import RunnerConfig
from maelstrom_test_runner.outlets import Screen, open_outlets, screen_of
from maelstrom_test_runner.stream import Consumer, EventStream
from maelstrom_test_runner.summary import EXIT_INTERRUPTED

Body = Callable[[EventStream, Screen], int]
"""Does a run, and returns the exit code."""


class Beginning(NamedTuple):
    """What is said of a run when it begins."""

    runner: str
    native: str
    """What the tests would run under otherwise: pytest, cargo test, go test."""
    directory: str
    arguments: tuple[str, ...] = ()


def tell_run(
    config: RunnerConfig,
    beginning: Beginning,
    stream: TextIO,
    environment: Mapping[str, str],
    body: Body,
    *,
    display: Consumer | None = None,
) -> int:
    """Do a run and return the exit code; ^C ends it with a summary. Raises MaelstromError, as the body does.

    Where that is after tests have run, the summary comes before the error. A `display` is shown instead of what the
    configuration says.
    """
    screen = screen_of(stream, environment)
    told = EventStream(time.monotonic, open_outlets(config, screen, environment, display))
    try:
        _begin(told, config, beginning)
        code = body(told, screen)
        told.tell(events.Ended, code=code)
    except KeyboardInterrupt:
        told.tell(events.Interrupted)
        told.tell(events.Ended, code=EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except MaelstromError as error:
        if told.state.results:
            with contextlib.suppress(MaelstromError):  # an outlet may be what has failed
                told.tell(events.Ended, code=error.exit_code)
        raise
    else:
        return code
    finally:
        told.close()


def told_time(told: EventStream, screen: Screen) -> contextlib.AbstractContextManager[None]:
    """Return a `with` block, of an event loop, in which a display on a terminal hears that time passes."""
    if not screen.terminal:
        return contextlib.nullcontext()
    from maelstrom_test_runner.ticking import ticking

    return ticking(told)


def _begin(told: EventStream, config: RunnerConfig, beginning: Beginning) -> None:
    import datetime as dt

    from maelstrom_core import __version__

    told.tell(
        events.Begun,
        runner=beginning.runner,
        native=beginning.native,
        version=__version__,
        directory=beginning.directory,
        arguments=beginning.arguments,
        slots=config.slots,
        time=dt.datetime.now(dt.UTC).isoformat(),
        host=os.uname().nodename,
    )
