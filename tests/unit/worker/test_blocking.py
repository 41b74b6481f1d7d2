"""The loop of programs that run one job."""

from __future__ import annotations

import os
import socket

from maelstrom_worker.blocking import BlockingLoop


def test_whoever_waits_for_a_descriptor_is_called_when_it_can_be_read() -> None:
    loop = BlockingLoop()
    first, second = os.eventfd(0), os.eventfd(0)
    heard: list[str] = []
    loop.add_reader(first, heard.append, "first")
    loop.add_reader(second, heard.append, "second")
    os.eventfd_write(second, 1)
    loop.run_once()
    assert heard == ["second"]
    os.close(first)
    os.close(second)


def test_whoever_is_removed_by_the_call_before_is_not_called() -> None:
    loop = BlockingLoop()
    fds = [os.eventfd(1), os.eventfd(1)]
    heard: list[int] = []

    def hear(fd: int) -> None:
        heard.append(fd)
        for other in fds:
            loop.remove_reader(other)

    for fd in fds:
        loop.add_reader(fd, hear, fd)
    loop.run_once()
    assert len(heard) == 1
    assert not loop.remove_reader(fds[0])
    for fd in fds:
        os.close(fd)


def test_readers_and_writers_of_one_descriptor_come_and_go_apart() -> None:
    loop = BlockingLoop()
    ours, theirs = socket.socketpair()
    heard: list[str] = []
    with ours, theirs:
        fd = ours.fileno()
        loop.add_reader(fd, heard.append, "read")
        loop.add_writer(fd, heard.append, "write")
        loop.run_once()
        assert heard == ["write"]
        theirs.send(b"x")
        loop.run_once()
        assert heard == ["write", "read", "write"]
        assert loop.remove_writer(fd)
        assert not loop.remove_writer(fd)
        loop.run_once()
        assert heard == ["write", "read", "write", "read"]
        assert loop.remove_reader(fd)
        loop.run_once(wait=False)
        assert len(heard) == 4


def test_both_hear_that_the_other_end_is_gone() -> None:
    loop = BlockingLoop()
    read_end, write_end = os.pipe()
    heard: list[str] = []
    loop.add_writer(write_end, heard.append, "write")
    os.close(read_end)
    loop.run_once()
    assert heard == ["write"]
    os.close(write_end)


def test_calls_are_made_when_they_are_due_and_once() -> None:
    loop = BlockingLoop()
    heard: list[str] = []

    def soon() -> None:
        heard.append("soon")

    def never() -> None:
        heard.append("never")

    loop.call_later(0, soon)
    loop.call_later(0, never)
    loop.cancel_call(never)
    loop.run_once()
    loop.run_once(wait=False)
    assert heard == ["soon"]


def test_who_asks_again_waits_from_then_on() -> None:
    loop = BlockingLoop()
    heard: list[str] = []

    def call() -> None:
        heard.append("call")

    loop.call_later(0, call)
    loop.call_later(3600, call)
    loop.run_once(wait=False)
    assert heard == []


def test_calls_are_made_while_somebody_waits_and_end_no_waiting():
    loop = BlockingLoop()
    bell = os.eventfd(0)
    calls: list[str] = []

    def tick() -> None:
        calls.append("tick")
        if len(calls) == 3:
            os.eventfd_write(bell, 1)

    loop.add_reader(bell, calls.append, "read")
    loop.call_every(0.001, tick)
    loop.run_once()
    assert calls == ["tick"] * (len(calls) - 1) + ["read"]
    assert len(calls) >= 4
    os.close(bell)


def test_a_turn_that_does_not_wait_does_not_wait_for_calls_either():
    loop = BlockingLoop()
    calls: list[str] = []
    loop.call_every(3600, lambda: calls.append("tick"))
    loop.run_once(wait=False)
    assert calls == []
