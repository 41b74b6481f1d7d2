"""Opening what runs the jobs of tests, before there is an event loop: asyncio is imported when all is forked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from maelstrom_core.left_out import left_out
from maelstrom_test_runner.config import RunnerConfig

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from maelstrom_test_runner.runner import Runner
    from maelstrom_worker.nursery import Nursery


def import_asyncio(config: RunnerConfig) -> None:
    """Import asyncio, without TLS where there is no broker: for programs that connect by it to nothing else.

    What downloads images has TLS of its own.
    """
    if config.broker is None:
        with left_out("ssl"):
            import asyncio  # noqa: F401 - for all that comes


def open_runner(
    config: RunnerConfig,
    directory: Path,
    nursery: Nursery | None = None,
    *,
    note: Callable[[str], object] | None = None,
    downloads: bool = False,
) -> AbstractAsyncContextManager[Runner]:
    """Return a runner of containers; the nursery is forked if there is none. Raises HostError.

    `note` is told what a user may want to know of the cluster; without it that goes to standard error. `downloads`: an
    image may have to be downloaded, and how far that is is to be shown.
    """
    from maelstrom_client import start_nursery

    nursery = nursery or start_nursery()  # before anything of asyncio is imported

    from maelstrom_client.client import Client
    from maelstrom_client.ready import options_of
    from maelstrom_test_runner.runner import ClientRunner

    watch = None
    if downloads:
        from maelstrom_client.downloads import Downloads

        watch = Downloads()
    options = msgspec.structs.replace(options_of(config, directory, watch, note), sessions=False)
    return ClientRunner(Client(nursery, options), inline_limit=config.inline_limit, downloads=watch)
