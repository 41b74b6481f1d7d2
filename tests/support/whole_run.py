"""A run of tests all of which are known: what tests of `running` begin with."""

from __future__ import annotations

from maelstrom_pytest.running import Run


async def run_whole(runner, plan, items, listener, *, stop_after=0, verify=0, **settings):
    """Run the tests to their end; return how many forks got another verdict than an interpreter of their own."""
    return await Run(runner, plan, listener, **settings).finish(items, stop_after=stop_after, verify=verify)
