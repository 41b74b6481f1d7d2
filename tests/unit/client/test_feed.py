"""Our standard input on its way to a job, through real pipes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from maelstrom_client.feed import CHUNK, InputFeed, check_input
from maelstrom_core.errors import UserError
from maelstrom_worker.blocking import BlockingLoop


class Feeding:
    """A feed between two pipes."""

    def __init__(self) -> None:
        source, self.write_end = os.pipe2(os.O_NONBLOCK)
        self.source = source
        self.loop = BlockingLoop()
        self.feed = InputFeed(source)
        self.read_end = self.feed.begin(self.loop)
        os.set_blocking(self.read_end, False)

    def turn(self) -> None:
        self.loop.run_once(wait=False)

    def read(self) -> bytes | None:
        """Return what the job can read now; nothing at the end, None where there is nothing yet."""
        try:
            return os.read(self.read_end, 1 << 20)
        except BlockingIOError:
            return None

    def fill(self) -> int:
        """Write until we are not read from any more; return how much that was."""
        written = still = 0
        while still < 10:
            try:
                written += os.write(self.write_end, bytes(4096))
                still = 0
            except BlockingIOError:
                still += 1
            self.turn()
        return written


@pytest.fixture
def feeding() -> Iterator[Feeding]:
    made = Feeding()
    yield made
    made.feed.close()
    for fd in (made.source, made.write_end, made.read_end):
        try:
            os.close(fd)
        except OSError:
            continue


def test_what_comes_goes_to_the_job_and_so_does_the_end(feeding):
    os.write(feeding.write_end, b"one")
    feeding.turn()
    assert feeding.read() == b"one"
    assert feeding.read() is None
    os.close(feeding.write_end)
    feeding.turn()
    assert feeding.read() == b""


def test_what_a_job_does_not_read_is_not_read_from_us(feeding):
    """Two pipes and one chunk are all that there is room for."""
    assert feeding.fill() <= CHUNK + 2 * (1 << 16)


def test_nothing_is_lost_when_the_job_reads_late(feeding):
    sent = feeding.fill()
    os.close(feeding.write_end)
    got = 0
    while (data := feeding.read()) != b"":
        got += len(data or b"")
        feeding.turn()
    assert got == sent


def test_a_job_that_wants_no_more_ends_the_feeding(feeding):
    os.close(feeding.read_end)
    os.write(feeding.write_end, b"x")
    feeding.turn()
    os.write(feeding.write_end, b"y")
    feeding.turn()
    assert os.read(feeding.source, 10) == b"y"


def test_what_comes_after_the_job_is_not_read(feeding):
    feeding.feed.ended()
    os.write(feeding.write_end, b"for others")
    feeding.turn()
    assert os.read(feeding.source, 100) == b"for others"


def test_what_cannot_be_read_is_an_error_that_says_so(tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    feed, loop = InputFeed(directory), BlockingLoop()
    passed = feed.begin(loop)
    with pytest.raises(UserError, match="failed to read standard input for the job: Is a directory"):
        loop.run_once()
    feed.close()
    os.close(passed)
    os.close(directory)


def test_no_standard_input_is_an_error():
    with pytest.raises(UserError, match="Bad file descriptor"):
        check_input(987_654)
