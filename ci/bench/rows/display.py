"""fancy-repaints, fancy-interrupt: whether the fancy display goes on while 20,000 tests run, and ^C is heard.

The suite of `monorepo`, on a terminal of 80x24: how often its counts are drawn anew in the second in which that
happened least, and how long it takes from ^C in the middle to the end of the program, summary and all.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ci.bench.measure import Bench, Sample
from ci.bench.programs import BenchError
from ci.bench.rows.monorepo import COUNT, WHAT, command

DRAWN = f" of {COUNT}".encode()
"""What is in each picture once."""
MIDDLE = 100
"""Pictures after which ^C is typed."""
PATIENCE = 900.0
"""Seconds."""


@contextmanager
def on_a_terminal() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a run; yield it and its terminal."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    words = ["setsid", "--ctty", *command("--ui", "fancy")]
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as run:
        os.close(theirs)
        try:
            yield run, ours
        finally:
            run.kill()
            os.close(ours)


def pictures(run: subprocess.Popen[bytes], terminal: int) -> Iterator[float]:
    """Yield the time of each picture, until the run has ended. Raises BenchError where that does not happen."""
    end, rest = time.monotonic() + PATIENCE, b""
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            if run.poll() is not None:
                return
            continue
        try:
            text = rest + os.read(terminal, 1 << 16)
        except OSError:  # nobody has its other end any more
            return
        now = time.monotonic()
        for _ in range(text.count(DRAWN)):
            yield now
        rest = text[text.rfind(DRAWN) + len(DRAWN) :][-len(DRAWN) :] if DRAWN in text else text[-len(DRAWN) :]
    raise BenchError("the run did not end")


def fewest_in_a_second() -> float:
    """Return how many pictures there were in the whole second that had fewest."""
    with on_a_terminal() as (run, terminal):
        times = list(pictures(run, terminal))
    if len(times) < 2:
        raise BenchError("nothing was drawn")
    seconds = Counter(int(at - times[0]) for at in times)
    return float(min(seconds[second] for second in range(int(times[-1] - times[0]))))


def interrupted() -> float:
    """Return the milliseconds from ^C in the middle of a run to its end."""
    with on_a_terminal() as (run, terminal):
        drawn = pictures(run, terminal)
        for _ in range(MIDDLE):
            next(drawn)
        typed = time.monotonic()
        os.write(terminal, b"\x03")
        for _ in drawn:
            pass
        if run.wait(PATIENCE) != 128 + signal.SIGINT:
            raise BenchError(f"^C ended the run with exit code {run.returncode}")
        return (time.monotonic() - typed) * 1e3


@contextmanager
def repainting() -> Iterator[Sample]:
    """Yield pictures per second, the fewest."""
    yield fewest_in_a_second


@contextmanager
def interrupting() -> Iterator[Sample]:
    """Yield milliseconds from ^C to the end."""
    yield interrupted


REPAINTS = Bench(
    name="fancy-repaints",
    what=f"pictures of the fancy display in the second of a run with fewest, {WHAT}",
    unit="/s",
    better="more",
    reach=None,
    ours=repainting,
    reference=None,
    runs=1,
    warm_up=0,
)

INTERRUPT = Bench(
    name="fancy-interrupt",
    what=f"from ^C to the end, with the fancy display in the middle of {WHAT}",
    unit="ms",
    better="less",
    reach=None,
    ours=interrupting,
    reference=None,
    runs=3,
    warm_up=0,
)
