"""Descriptors for jobs, beside the rings."""

from __future__ import annotations

import os

import pytest

from maelstrom_worker.passing import open_passing, pass_descriptor, take_passed


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_descriptor_arrives_with_its_request_and_is_not_inherited():
    ours, theirs = open_passing()
    file = os.memfd_create("passed")
    with ours, theirs:
        pass_descriptor(ours, 7, file)
        taken = take_passed(theirs.fileno(), 7)
        assert os.fstat(taken).st_ino == os.fstat(file).st_ino
        assert not os.get_inheritable(taken)
        os.close(taken)
    os.close(file)


def test_those_of_requests_that_never_came_are_closed():
    ours, theirs = open_passing()
    read_end, write_end = os.pipe2(os.O_NONBLOCK)
    wanted = os.memfd_create("wanted")
    with ours, theirs:
        pass_descriptor(ours, 1, write_end)
        pass_descriptor(ours, 2, wanted)
        os.close(write_end)
        taken = take_passed(theirs.fileno(), 2)
        assert os.read(read_end, 1) == b""  # nobody has the other end any more
        os.close(taken)
    os.close(read_end)
    os.close(wanted)


def test_none_is_an_error_and_not_a_wait():
    ours, theirs = open_passing()
    with ours, theirs:
        with pytest.raises(BlockingIOError):
            take_passed(theirs.fileno(), 1)
        ours.close()
        with pytest.raises(ConnectionResetError):
            take_passed(theirs.fileno(), 1)
        assert is_open(theirs.fileno())
