"""What a service manager is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from maelstrom_core.notify import tell


@pytest.mark.parametrize("abstract", [False, True])
def test_it_is_told_where_it_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abstract: bool) -> None:
    name = f"@maelstrom-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert tell("READY=1", "STATUS=here")
        assert manager.recv(1000) == b"READY=1\nSTATUS=here"


def test_that_nobody_listens_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not tell("READY=1")
    for nonsense in (str(tmp_path / "nobody"), "relative", "@nobody at all"):
        monkeypatch.setenv("NOTIFY_SOCKET", nonsense)
        assert not tell("READY=1")
