"""Sends output that exceeds the inline limit to the broker, in threads, before the end of its job is told.

So nothing is lost with a worker whose results have been told, and a slot that prints faster than the network takes it
waits, instead of filling the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from maelstrom_core.artifact_client import ArtifactClient, Dial
from maelstrom_core.digest import Digest
from maelstrom_core.errors import MaelstromError
from maelstrom_worker.background import Background

Sent = Callable[[str, str | None], object]
"""Takes the digest of what was sent, or "" and why it was not."""
Send = Callable[[int, Sent], object]
"""Takes a file, which it closes, and whom to tell."""


class RestSender:
    """Does it."""

    def __init__(self, dial: Dial, token: str, name: str, background: Background) -> None:
        self._dial, self._token, self._name = dial, token, name
        self._background = background

    def send(self, descriptor: int, then: Sent) -> None:
        """Send a file, which is closed then; `then` is called once, in the loop's thread."""
        self._background.run(partial(self._send, descriptor), partial(_tell, then))

    def _send(self, descriptor: int) -> str:
        try:
            path = Path(f"/proc/self/fd/{descriptor}")
            digest = Digest.of_file(path).hex
            with ArtifactClient(self._dial, self._token, name=self._name) as client:
                client.upload(digest, path, output=True)
            return digest
        finally:
            os.close(descriptor)


def _tell(then: Sent, digest: str | None, error: BaseException | None) -> None:
    if digest is not None:
        then(digest, None)
    elif isinstance(error, MaelstromError | OSError):
        then("", f"the worker failed to send it: {error}")
    else:
        raise error or RuntimeError
