"""Whether a job leads a session, and what that means for a terminal that it opens itself."""

from __future__ import annotations

from maelstrom_core.job import Exited
from maelstrom_core.spec import Device, DevicesMount, DevptsMount
from tests.support.pool import Pool, container, python

TERMINAL = """
import os, signal
signal.signal(signal.SIGHUP, lambda *_: os._exit(3))
master, slave = os.openpty()
os.open(os.ttyname(slave), os.O_RDWR)
os.close(master)
print(os.getpid(), os.getppid(), os.getpgid(0), os.getsid(0))
"""


def test_who_leads_a_session_is_hung_up_with_a_terminal_that_it_opens_and_others_are_not(pool: Pool) -> None:
    """As natively: a test of a pty is no leader there, since `go test` or a shell is."""
    mounts = (DevicesMount((Device.TTY,)), DevptsMount("/dev/pts"))
    leading, following = (container(mounts=mounts, session=session) for session in (True, False))
    outcome = pool.run(python(TERMINAL, within=leading))
    assert isinstance(outcome, Exited)
    assert outcome.code == 3
    outcome = pool.run(python(TERMINAL, within=following))
    assert isinstance(outcome, Exited)
    assert outcome.effects.stdout.data == b"1 0 1 0\n"
