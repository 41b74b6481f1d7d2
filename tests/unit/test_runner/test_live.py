"""What tests write as whole lines, and the streams of a job."""

from __future__ import annotations

import asyncio
import os

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.job import Effects, Exited, NotForked, Output
from maelstrom_test_runner.live import KEPT, LONGEST, Lines, LiveOutput


def test_lines_come_when_they_are_whole():
    lines = Lines()
    assert lines.add(b"one\ntw") == "one\n"
    assert not lines.add(b"o")
    assert lines.add(b"\nthree\nfo") == "two\nthree\n"
    assert lines.finish() == "fo"
    assert not lines.finish().removeprefix("fo")


def test_a_line_that_never_ends_is_not_kept_for_ever():
    lines = Lines()
    assert len(lines.add(b"x" * (LONGEST + 1))) == LONGEST + 1
    assert not lines.finish()


@given(text=st.text(), cuts=st.lists(st.integers(0, 50)))
def test_nothing_is_lost_or_changed_however_it_is_cut(text, cuts):
    data, lines, found = text.encode(errors="replace"), Lines(), ""
    for cut in cuts:
        found += lines.add(data[:cut])
        data = data[cut:]
    found += lines.add(data) + lines.finish()
    assert found == text.encode(errors="replace").decode(errors="replace")


def streams(write):
    """Have somebody write to the streams of a job; return what was shown, and what is left of the job's outcome."""
    told = []

    async def main():
        live = LiveOutput(b"request", lambda name, text: told.append((name, text)))
        try:
            import array
            import socket

            with socket.socket(fileno=live.descriptor) as offered:
                _, ancillary, _, _ = offered.recvmsg(1, socket.CMSG_SPACE(3 * 4))
            ends = list(array.array("i", ancillary[0][2]))
            try:
                assert os.read(ends[0], 100) == b"request"
                write(*ends[1:])
            finally:
                for end in ends:
                    os.close(end)
            return live.finish(Exited(0, Effects(stdout=Output(b""), stderr=Output(b""))))
        finally:
            live.close()

    return told, asyncio.run(main())


def test_what_was_written_last_is_shown_and_kept():
    told, outcome = streams(lambda stdout, stderr: (os.write(stdout, b"a\nb"), os.write(stderr, b"c\n")))
    assert told == [("stdout", "a\n"), ("stderr", "c\n"), ("stdout", "b")]
    assert (outcome.effects.stdout.data, outcome.effects.stderr.data) == (b"a\nb", b"c\n")


def test_of_much_the_end_is_kept():
    told, outcome = streams(lambda stdout, _stderr: os.write(stdout, b"x" * (KEPT - 10) + b"end of it all\n"))
    assert "".join(text for _, text in told).endswith("end of it all\n")
    assert outcome.effects.stdout.data.endswith(b"end of it all\n")
    assert (len(outcome.effects.stdout.data), outcome.effects.stdout.lost) == (KEPT, 4)


def test_other_outcomes_stay_as_they_are():
    async def main():
        live = LiveOutput(b"", lambda *_: None)
        os.close(live.descriptor)
        return live.finish(NotForked("why"))

    assert asyncio.run(main()) == NotForked("why")
