"""What a supervisor hears of its nursery, without one."""

from __future__ import annotations

import errno
import os
import socket

import msgspec
import pytest

from maelstrom_core.errors import HostError
from maelstrom_worker.messages import Stillborn
from maelstrom_worker.nursery import Nursery, _above_streams

NO_KEEPER = 0


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def refused(call: str, number: int) -> bytes:
    return msgspec.json.encode({"call": call, "errno": number})


@pytest.mark.parametrize("asked", [False, True])
def test_a_refusal_is_heard_whether_or_not_a_member_was_asked_for_before(ends, asked):
    ours, theirs = ends
    if asked:
        ours.send(b"a member, please")  # never read
    theirs.send(refused("unshare", errno.EPERM))
    theirs.close()
    with pytest.raises(HostError, match="unshare: Operation not permitted"):
        Nursery(NO_KEEPER, ours).wait_until_ready()


def test_a_nursery_that_says_nothing_has_died(ends):
    ours, theirs = ends
    theirs.close()
    with pytest.raises(HostError, match="the process ended"):
        Nursery(NO_KEEPER, ours).wait_until_ready()


def test_a_member_that_could_not_be_forked_is_told(ends):
    ours, theirs = ends
    theirs.send(b"ready")
    nursery = Nursery(NO_KEEPER, ours)
    nursery.wait_until_ready()
    assert nursery.answers() == []
    theirs.send(msgspec.json.encode({"member": 3, "reason": "no memory"}))
    assert nursery.answers() == [Stillborn(3, "no memory")]
    theirs.close()
    with pytest.raises(EOFError):
        nursery.answers()


def test_its_socket_never_takes_the_place_of_a_closed_stream(ends):
    ours, _ = ends
    assert _above_streams(ours) is ours
    child = os.fork()
    if child == 0:
        os.close(0)
        ends = socket.socketpair()
        apart = [_above_streams(each).fileno() for each in ends]
        os._exit(0 if min(apart) > 2 and not os.path.exists("/proc/self/fd/0") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
