"""Files for output that exceeds the inline limit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maelstrom_core.job import REST_HEAD, Rest
from maelstrom_worker.rests import Rests


def contents(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


def test_what_a_job_left_is_taken_out_of_its_members_file(tmp_path: Path) -> None:
    rests = Rests(tmp_path, slots=2, limit=8000)
    assert rests.share == 1000
    source = rests.open()
    os.pwrite(source, b"out", 0)
    os.pwrite(source, b"error", 1000)
    taken = contents(rests.take(Rest(3, 5), 1000, source))
    assert taken[REST_HEAD:] == b"outerror"
    assert contents(source) == b""
    assert list(tmp_path.iterdir()) == []


def test_equal_outputs_have_other_names(tmp_path: Path) -> None:
    rests = Rests(tmp_path, 1, 8000)
    first, second = (contents(rests.take(Rest(), 1000, rests.open())) for _ in range(2))
    assert first != second


def test_what_is_not_there_is_an_error_and_no_file_stays_open(tmp_path: Path) -> None:
    rests = Rests(tmp_path, 1, 8000)
    source = rests.open()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="is not there"):
        rests.take(Rest(3), 1000, source)
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(source)
