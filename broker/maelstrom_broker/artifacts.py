"""Connections for artifacts, on the broker's side: asyncio around `artifact_wire` and the store.

Threads move the bytes (`artifact_transfer`): a large upload must not hold up the scheduler.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from maelstrom_broker.artifact_link import ArtifactLink
from maelstrom_broker.artifact_transfer import CHUNK, Failure, Transfer, transfer_of
from maelstrom_broker.effects import Event as BrokerEvent
from maelstrom_broker.effects import Evicted, ManifestEntries, ManifestRead, ReadManifest
from maelstrom_broker.effects import Stored as StoredEvent
from maelstrom_broker.store import Incoming, Store, is_full, why
from maelstrom_core import log
from maelstrom_core.artifact_manifest import read_named
from maelstrom_core.artifact_wire import (
    Content,
    Get,
    Go,
    Put,
    Refused,
    Stored,
    frame,
)
from maelstrom_core.errors import InfrastructureError, MaelstromError
from maelstrom_core.messages import Goodbye
from maelstrom_core.wire import Closed

IDLE = 300.0
"""Seconds between two requests."""
THREADS = 4
"""For manifests, and what is to be deleted."""
TRANSFERS = 64
"""At a time; the others wait."""
UPLOADS = 32
"""Of them; each has a buffer, or two."""
OUTPUT_KEPT = 3600.0
"""Seconds that what jobs have printed waits for who wants it."""


class ArtifactService:
    """The store, and who uses it."""

    def __init__(
        self,
        store: Store,
        handle: Callable[[BrokerEvent], None],
        in_use: Callable[[str], bool],
        outputs: Store | None = None,
    ) -> None:
        """`handle` takes events of the store, in the loop's thread; `in_use` tells what jobs hold.

        `outputs` is for what jobs have printed; without it that is refused.
        """
        self.store = store
        self.outputs = outputs
        self.handle = handle
        self.in_use = in_use
        self.loop = asyncio.get_running_loop()
        self.threads = ThreadPoolExecutor(THREADS, "artifacts")
        self.transfers = ThreadPoolExecutor(TRANSFERS, "artifact-transfers")
        self.uploads = asyncio.Semaphore(UPLOADS)
        self.open: set[Transfer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        for digest in list(store.digests()):
            handle(StoredEvent(digest))

    def close(self) -> None:
        """Stop; connections are closed by whoever knows them."""
        for task in list(self._tasks):
            task.cancel()
        for transfer in list(self.open):
            transfer.close()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.transfers.shutdown(wait=False, cancel_futures=True)
        self.store.close()
        if self.outputs is not None:
            self.outputs.close()

    def serve(self, transport: asyncio.Transport, greeting: bytes, initial: bytes, gone: Callable[[], None]) -> None:
        """Take over a connection whose first frame has come; `gone` is called when it is closed."""
        link = ArtifactLink(transport, initial, gone)
        transport.set_protocol(link)
        self.run(_Session(self, link, greeting).run())

    def run(self, work: Any) -> None:
        """Have a coroutine run."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def read_manifest(self, effect: ReadManifest) -> None:
        """Do what the broker wants."""
        self.run(self._read_manifest(effect.digest))

    async def _read_manifest(self, digest: str) -> None:
        error: str | None = None
        try:
            file = self.store.open(digest)
            if file is None:
                error = "it is not in the store any more"
            else:
                with file:
                    for named in await self.in_thread(lambda: list(read_named(file))):
                        self.handle(ManifestEntries(digest, named))
        except MaelstromError as failure:
            error = failure.message
        except OSError as failure:
            error = failure.strerror or str(failure)
        self.handle(ManifestRead(digest, error))

    def tell_evicted(self, digests: list[str]) -> None:
        """Tell that these are out of sight."""
        for digest in digests:
            self.handle(Evicted(digest))

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Do something that takes long."""
        return await self.loop.run_in_executor(self.threads, work)


class _Session:
    """What one connection asks for, one thing after the other."""

    def __init__(self, service: ArtifactService, link: ArtifactLink, greeting: bytes) -> None:
        self._service = service
        self._link = link
        self._greeting = greeting

    async def run(self) -> None:
        """Serve until the connection ends."""
        transport = self._link.transport
        try:
            transfer = transfer_of(self._link, self._service.transfers)
        except OSError as error:
            log.info("artifact connection could not be served", reason=error.strerror)
            transport.abort()
            return
        self._service.open.add(transfer)
        try:
            await self._serve(transfer)
        except TimeoutError:
            log.info("artifact connection was too slow, or idle", address=transport.get_extra_info("peername"))
            transport.abort()
        except OSError as error:
            log.debug("artifact connection broke", reason=str(error))
        finally:
            self._service.open.discard(transfer)
            transfer.close()
            transport.close()

    async def _serve(self, transfer: Transfer) -> None:
        await transfer.say(self._greeting)
        while True:
            match await self._link.event(IDLE):
                case Get(digest, last):
                    await self._get(transfer, digest, last=last)
                case Put() as put:
                    await self._put(transfer, put)
                case Closed(reason, fault):
                    if fault:
                        await transfer.say(frame(Goodbye(reason)))
                    return
                case _:
                    return

    async def _get(self, transfer: Transfer, digest: str, *, last: bool) -> None:
        store, outputs = self._service.store, self._service.outputs
        if outputs is not None and digest in outputs:
            store = outputs
        try:
            file = store.open(digest)
        except OSError as error:
            await transfer.say(frame(Refused(digest, f"the broker failed to read it: {error.strerror}")))
            return
        if file is None:
            await transfer.say(frame(Refused(digest, "the broker has it not")))
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            await transfer.give(frame(Content(digest, size)), file, size)
        if last and store is outputs:
            store.drop(digest)

    async def _put(self, transfer: Transfer, put: Put) -> None:
        service = self._service
        store = service.store
        if put.output:
            if service.outputs is None:
                await transfer.say(frame(Refused(put.digest, "this broker keeps no output of jobs")))
                return
            store = service.outputs
            store.expire(OUTPUT_KEPT)
        if put.digest in store:
            await transfer.say(frame(Stored(put.digest)))
            return
        async with service.uploads:
            try:
                incoming, evicted = store.expect(put.digest, put.size, service.in_use)
            except (OSError, InfrastructureError) as error:
                await self._refuse(transfer, put, store, error, again=False)
                return
            if store is service.store:
                service.tell_evicted(evicted)
            if evicted:
                service.run(service.in_thread(store.delete))
            failure = await self._receive(transfer, put, incoming, store)
        if failure is None:
            if store is service.store:
                service.handle(StoredEvent(put.digest))
            await transfer.say(frame(Stored(put.digest)))
        else:
            await self._refuse(transfer, put, store, failure, again=isinstance(failure, InfrastructureError))

    async def _refuse(self, transfer: Transfer, put: Put, store: Store, failure: Failure, *, again: bool) -> None:
        """Say why an artifact was not stored; a disk that is full may have room when it is offered again."""
        service = self._service
        log.info("artifact refused", digest=put.digest, reason=why(failure))
        if is_full(failure):
            again = True
            evicted = store.evict(put.size, service.in_use)
            if store is service.store:
                service.tell_evicted(evicted)
            await service.in_thread(store.delete)
        await transfer.say(frame(Refused(put.digest, why(failure), again)))

    async def _receive(self, transfer: Transfer, put: Put, incoming: Incoming, store: Store) -> Failure | None:
        """Return why what came could not be stored; it is there, or there is nothing of it."""
        failure: Failure | None
        try:
            packed = put.encoding == "zstd"
            write = _unpacked(incoming) if packed else incoming.write
            failure = await transfer.take(frame(Go()), put.length, write)
        except BaseException:
            store.lost(incoming)
            raise
        try:
            if failure is None:
                incoming.check()
                store.arrived(incoming)
                return None
        except (OSError, InfrastructureError) as error:
            failure = error
        store.lost(incoming)
        return failure


def _unpacked(incoming: Incoming) -> Callable[[memoryview], None]:
    """Return what writes compressed content: never more than was announced."""
    from maelstrom_core.compression import zstd

    unpacker = zstd.ZstdDecompressor()

    def write(data: memoryview) -> None:
        given: bytes | memoryview = data
        try:
            while not unpacker.eof:
                part = unpacker.decompress(given, CHUNK)
                incoming.write(part)
                given = b""
                if unpacker.needs_input:
                    return
        except zstd.ZstdError:
            raise InfrastructureError("it cannot be unpacked") from None

    return write
