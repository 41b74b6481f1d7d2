"""The container that a member makes ahead of the next job: used, or gone, and nobody can tell."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from maelstrom_core.job import Cancelled, ExecutionError, Exited, Outcome
from maelstrom_core.spec import Network
from tests.support.pool import Pool, container, shell
from tests.support.programs import descendants, eventually

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="nothing is made ahead where there is one processor"
)
TRIES = 100
"""One stands by for a moment only: on a busy machine it may be gone before we look."""


def said(outcome: Outcome) -> bytes:
    assert isinstance(outcome, Exited), outcome
    return outcome.effects.stdout.data


def standing_by(pool: Pool) -> set[int]:
    """Return what a member that has no job has started."""
    return {pid for member in pool.members() for pid in descendants(member)}


def command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def catch(pool: Pool, *numbers: int) -> int:
    """Have one stand by; return its process, which has got those signals."""
    for _ in range(TRIES):
        for _job in range(4):
            assert said(pool.run(shell("echo $$"))) == b"1\n"
        for pid in standing_by(pool):
            with suppress(ProcessLookupError):
                for number in numbers:
                    os.kill(pid, number)
                return pid
    pytest.fail("none stood by")


def test_it_is_used_by_the_next_job(member: Pool) -> None:
    for _ in range(TRIES):
        pid = catch(member)
        number = member.start(shell("exec sleep 12345"))
        assert eventually(lambda: any(b"sleep" in command_line(each) for each in standing_by(member)))
        used = b"sleep" in command_line(pid)
        member.cancel(number)
        assert member.wait(number) == Cancelled()
        if used:
            return
    pytest.fail("none was used")


def test_it_is_gone_when_no_job_follows(member: Pool) -> None:
    catch(member)
    assert eventually(lambda: not standing_by(member))
    assert said(member.run(shell("echo fine"))) == b"fine\n"


def test_it_is_gone_when_a_job_takes_long(member: Pool) -> None:
    catch(member)
    number = member.start(shell("exec sleep 12345", timeout=1000.0))
    assert eventually(lambda: [command_line(each).split(b"\0")[0] for each in standing_by(member)] == [b"sleep"])
    member.cancel(number)
    assert member.wait(number) == Cancelled()
    assert said(member.run(shell("echo fine"))) == b"fine\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_was_killed_costs_no_job(member: Pool, number: signal.Signals) -> None:
    for _ in range(TRIES // 4):
        pid = catch(member, number)
        if number == signal.SIGSTOP:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for _job in range(3):
            assert said(member.run(shell("echo $$"))) == b"1\n"


def test_another_job_does_not_get_it(member: Pool) -> None:
    lonely = container(network=Network.LOOPBACK)
    for _ in range(10):
        for _job in range(4):
            member.run(shell("true"))
        assert said(member.run(shell("cat /proc/net/dev | grep -c lo: || echo none", within=lonely))) != b""
        outcome = member.run(shell("echo $0; pwd", working_directory="/usr"))
        assert said(outcome) == b"/bin/sh\n/usr\n"
        assert isinstance(member.run(shell("true", working_directory="/missing")), ExecutionError)


def test_the_end_of_a_pool_takes_it_along() -> None:
    pool = Pool(slots=2)
    pid = catch(pool)
    below = descendants(pool.process.pid)
    pool.close()
    assert eventually(lambda: not any(Path(f"/proc/{each}").exists() for each in {pid, *below}))


def test_kill_9_of_its_member_takes_it_along(member: Pool) -> None:
    catch(member)
    (first,) = member.members()
    below = descendants(first)
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: not any(Path(f"/proc/{each}").exists() for each in below))
    assert said(member.run(shell("echo fine"))) == b"fine\n"
