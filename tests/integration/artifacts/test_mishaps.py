"""Layers on their way when something is lost: who is told, and of what."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_client.artifacts import Artifacts, source_of
from maelstrom_container.file_batches import FileWrite
from maelstrom_container.trees import realise
from maelstrom_container.trees.describe import Described, Describer
from maelstrom_core import artifact_client
from maelstrom_core.job import HostTree


class Local:
    """Gives what was described here."""

    def __init__(self, described: Described) -> None:
        self._described = described

    @contextlib.contextmanager
    def once(self, _digest: str) -> Iterator[None]:
        yield

    def memory(self, digest: str, _size: int) -> bytes:
        content = self._described.content(digest)
        assert isinstance(content, bytes)
        return content

    def file(self, _digest: str, _size: int, _descriptor: int) -> None:
        raise AssertionError


@pytest.fixture
def source(tmp_path: Path) -> HostTree:
    (tmp_path / "source").mkdir()
    for number in range(3):
        (tmp_path / "source" / f"{number}").write_text(f"file {number}")
    return HostTree(str(tmp_path / "source"), "/project")


def test_a_full_disk_is_told_as_what_it_is(source: HostTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = Describer(tmp_path / "trees").describe(source_of(source))
    write_files = realise.write_files

    def write(files: list[FileWrite], contents: memoryview | None, directory: int, blobs: int) -> int:
        held = None if contents is None else memoryview(contents)  # as what writes does
        if held is not None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_files(files, contents, directory, blobs)

    monkeypatch.setattr(realise, "write_files", write)
    for name in ("made", "blobs"):
        (tmp_path / name).mkdir()
    root = os.open(tmp_path / "made", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="No space left"):
            realise.write_tree(described.tree, root, tmp_path / "blobs", Local(described))
    finally:
        os.close(root)


def test_what_a_lost_broker_has_wanted_is_not_refused_to_the_next_one(
    source: HostTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact_client, "_PAUSE", 0)
    monkeypatch.setattr("maelstrom_client.artifacts.ROUNDS", 2)
    tried, lost = threading.Event(), threading.Event()

    def dial() -> socket.socket:
        tried.set()
        assert lost.wait(60)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    refused: list[tuple[str, int]] = []
    artifacts = Artifacts(tmp_path, dial, "", refused=lambda digest, _reason, turn: refused.append((digest, turn)))
    digest = artifacts.offer(source).digest
    artifacts.wanted(digest)
    assert tried.wait(60)
    artifacts.renew()
    artifacts.wanted("0" * 64)
    artifacts.wanted(digest)
    lost.set()
    artifacts.close()
    assert sorted(refused) == [("0" * 64, 1), (digest, 1)]
