"""How far a download is: what is counted, and what people are told."""

from __future__ import annotations

import io
import itertools

from maelstrom_client.downloads import Display, Downloads, Telling
from maelstrom_container.images.downloads import Count, CountedStream, Download


def some(read: int, *, done: int = 0, over: bool = False) -> Download:
    return Download("docker://x", 2, done, 10_000_000, read, over=over)


def test_layers_and_bytes_are_counted_and_those_of_others_are_not():
    told: list[Download] = []
    count = Count("docker://x", {0: 10, 2: 20, 3: 30}, told.append)
    assert [index in count for index in range(4)] == [True, False, True, True]
    stream = CountedStream(io.BytesIO(b"1234567"), lambda came: count.came(0, came))
    assert (stream.read(5), stream.read(5)) == (b"12345", b"67")
    count.complete(0)  # and what was read behind the archive's end
    count.not_needed(2)
    count.complete(3)
    count.over()
    assert told == [
        Download("docker://x", 3, 0, 60, 5),
        Download("docker://x", 3, 0, 60, 7),
        Download("docker://x", 3, 1, 60, 10),
        Download("docker://x", 2, 1, 40, 10),
        Download("docker://x", 2, 2, 40, 40),
        Download("docker://x", 2, 2, 40, 40, over=True),
    ]


def test_nothing_is_said_to_be_downloaded_where_others_have_done_it():
    told: list[Download] = []
    count = Count("docker://x", {0: 10}, told.append)
    count.not_needed(0)
    count.over()
    assert not any(download.over for download in told)


def test_the_rate_is_that_of_the_last_seconds_and_falls_to_nothing_where_nothing_comes():
    now = itertools.chain([0.0, 0.1, 1.0, 2.0, 3.0, 9.0, 20.0, 21.0])
    telling = Telling(lambda: next(now))
    begin = "downloading docker://x: 0 of 2 layers, "
    assert telling.line(some(0)) == begin + "0 B of 10.0 MB"
    assert telling.line(some(1_000_000)) == begin + "1.0 MB of 10.0 MB, 1.0 MB/s"
    assert telling.line(some(4_000_000)) == begin + "4.0 MB of 10.0 MB, 2.0 MB/s"
    assert telling.line(some(6_000_000)) == begin + "6.0 MB of 10.0 MB, 2.0 MB/s"
    assert telling.line(some(6_000_000)) == begin + "6.0 MB of 10.0 MB, 0 B/s"
    assert telling.line(some(6_000_000)) == begin + "6.0 MB of 10.0 MB, 0 B/s"
    assert telling.summary(some(10_000_000, done=2)) == "downloaded docker://x: 2 layers, 10.0 MB in 21.0 s"


def test_who_asks_from_time_to_time_hears_of_a_download_while_it_lasts():
    downloads = Downloads()
    assert (downloads.line(), downloads.summary()) == (None, None)
    downloads(some(5))
    assert (downloads.line() or "").startswith("downloading docker://x: 0 of 2 layers, 5 B of 10.0 MB")
    assert downloads.summary() is None
    downloads(some(10_000_000, done=2, over=True))
    assert downloads.line() is None
    assert (downloads.summary() or "").startswith("downloaded docker://x: 2 layers, 10.0 MB in ")


def test_without_a_terminal_there_is_one_line_for_each_image_and_no_escape_sequence():
    stream = io.BytesIO()
    display = Display(stream, name="program", live=False)
    display(some(5))
    display(some(10_000_000, done=2, over=True))
    display(some(5))
    display.close()
    display(some(10_000_000, done=2, over=True))  # of a thread that is still at it
    (line,) = stream.getvalue().decode().splitlines()
    assert line.startswith("program: downloaded docker://x: 2 layers, 10.0 MB in ")
