"""Programs that begin before there is an event loop."""

import asyncio
import os
import sys

import pytest

from maelstrom_core.errors import UserError
from maelstrom_test_runner.building import followed
from maelstrom_test_runner.children import Child


async def said(child: Child) -> list[bytes | int]:
    async with followed(child) as program:
        assert program.stderr is not None
        return await asyncio.gather(program.stdout.read(), program.stderr.read(), program.wait())


@pytest.mark.parametrize("over", [False, True])
def test_what_was_said_before_anybody_listened_is_heard(over: bool):
    child = Child(["sh", "-c", "echo out; echo err >&2; exit 7"], "/")
    if over:
        os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)
    assert asyncio.run(said(child)) == [b"out\n", b"err\n", 7]


def test_one_that_nobody_wants_any_more_is_gone_with_what_it_has_started():
    child = Child([sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"], "/")
    child.close()
    assert child.process.returncode == -9
    child.close()


def test_what_cannot_be_started_is_the_users_to_mend():
    with pytest.raises(UserError, match=r"failed to start \./none: No such file or directory"):
        Child(["./none"], "/")
