"""What the killer of a cluster does is decided by its seed, and no two things happen to one host at the same time."""

from __future__ import annotations

import itertools

from tests.cluster.plan import BROKER, CLIENT, Deed, deeds

WORKERS = ("one", "two")


def plan(seed: int, count: int = 500) -> list[Deed]:
    return list(itertools.islice(deeds(seed, WORKERS), count))


def test_a_seed_makes_the_same_deeds_again_and_another_one_others() -> None:
    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_no_two_deeds_are_done_to_a_host_at_a_time() -> None:
    free: dict[str, float] = {}
    for deed in plan(3):
        assert deed.at >= free.get(deed.host, 0.0), deed
        free[deed.host] = deed.at + deed.lasts


def test_everything_happens_to_everybody_it_can_happen_to() -> None:
    done = {(deed.kind, deed.host) for deed in plan(4, 3000)}
    for kind in ("kill", "stop", "fill", "transfer"):
        assert {host for each, host in done if each == kind} == {*WORKERS, BROKER}
    for kind in ("unplug", "cut", "slow", "reset"):
        assert {host for each, host in done if each == kind} == {*WORKERS, BROKER, CLIENT}
    assert {host for kind, host in done if kind == "outage"} == {*WORKERS, CLIENT}
