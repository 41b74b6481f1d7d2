"""The library: specifications -> layers -> jobs -> outcomes. What the programs themselves use.

    nursery = start_nursery()  # early: before threads and event loops

    async def main() -> None:
        async with Client(nursery, ClientOptions(project_directory=Path.cwd())) as client:
            outcome = await client.submit(JobSpec(container=sealed_container(Path.cwd()), program="true"))

Imports are lazy: a program that only wants `--help` pays for none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maelstrom_client.client import Client
    from maelstrom_client.ready import ClientOptions
    from maelstrom_client.sealed import carried_environment, sealed_container
    from maelstrom_client.single import SingleJob
    from maelstrom_core.spec import ContainerSpec, JobSpec
    from maelstrom_worker.nursery import Nursery

__all__ = [
    "Client",
    "ClientOptions",
    "ContainerSpec",
    "JobSpec",
    "SingleJob",
    "carried_environment",
    "sealed_container",
    "start_nursery",
]

_HOMES = {
    "Client": "maelstrom_client.client",
    "ClientOptions": "maelstrom_client.ready",
    "ContainerSpec": "maelstrom_core.spec",
    "JobSpec": "maelstrom_core.spec",
    "SingleJob": "maelstrom_client.single",
    "carried_environment": "maelstrom_client.sealed",
    "sealed_container": "maelstrom_client.sealed",
}


def start_nursery() -> Nursery:
    """Fork the process from which pool members come. Call it once, early, with a single thread."""
    from maelstrom_worker.nursery import Nursery

    return Nursery.start()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
