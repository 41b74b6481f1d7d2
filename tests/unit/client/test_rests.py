"""Output that exceeds the inline limit, where it cannot be had: the job is what it was."""

from __future__ import annotations

import socket

import pytest

from maelstrom_client.cluster import rests
from maelstrom_client.cluster.rests import fetch_rest
from maelstrom_core.job import Effects, Exited, Outcome, Output, Rest

REST = Rest(4, 0, "0" * 64)
CUT = Exited(3, Effects(stdout=Output(b"head", 4), rest=REST))


def dial() -> socket.socket:
    raise ConnectionRefusedError(111, "Connection refused")


def fetched(rest: Rest, most: int) -> Effects:
    outcome: Outcome = fetch_rest(CUT, rest, most, dial=dial, token="", name="")
    assert isinstance(outcome, Exited)
    assert outcome.code == 3
    assert (outcome.effects.stdout, outcome.effects.rest) == (Output(b"head", 4), None)
    return outcome.effects


def test_a_broker_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rests, "ATTEMPTS", 1)
    assert "Connection refused" in str(fetched(REST, 4).rest_error)


@pytest.mark.parametrize("rest", [REST, Rest(-1, 0), Rest(0, 1 << 60)])
def test_more_than_was_to_be_kept_is_not_asked_for(rest: Rest) -> None:
    assert fetched(rest, 3).rest_error == "the worker has kept more than it was to keep"
