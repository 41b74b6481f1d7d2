"""Who may connect, and how many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.admission import Admission, Limits, network_of

OTHER = "192.0.2.1"


def admission(**limits: float) -> Admission[int]:
    return Admission(Limits(**limits))  # type: ignore[arg-type]


def test_who_says_nothing_makes_room_for_who_comes_and_who_has_greeted_stays() -> None:
    gate = admission(connections=3, waiting=10)
    gate.come(1, OTHER, 0)
    gate.greeted(1)
    for visitor in (2, 3, 4, 5):
        assert gate.come(visitor, OTHER, 0) is None
        gate.surplus()
    assert len(gate) == 3
    assert gate.waiting == 2
    assert gate.refused == {"said nothing while others came": 2}


def test_only_so_many_wait_at_the_door() -> None:
    gate = admission(waiting=2)
    for visitor in (1, 2):
        gate.come(visitor, OTHER, 0)
        assert gate.surplus() == []
    gate.come(3, OTHER, 0)
    assert gate.surplus() == [1]


def test_when_everybody_has_greeted_and_there_is_no_room_nobody_more_comes_in() -> None:
    gate = admission(connections=1)
    gate.come(1, OTHER, 0)
    gate.greeted(1)
    assert gate.come(2, OTHER, 0) == "too many connections"
    gate.gone(1)
    gate.gone(1)
    assert gate.come(3, OTHER, 0) is None


def test_one_address_has_its_share_only_and_this_machine_has_all() -> None:
    gate = admission(per_address=1)
    assert gate.come(1, OTHER, 0) is None
    assert gate.come(2, OTHER, 0) == "too many connections from this address"
    assert gate.come(3, "2001:db8::1", 0) is None
    assert gate.come(4, "2001:db8::2", 0) == "too many connections from this address"
    assert gate.come(5, "2001:db8:0:1::2", 0) is None
    assert [gate.come(visitor, "127.0.0.1", 0) for visitor in (6, 7)] == [None, None]


def test_who_fails_too_often_is_refused_for_a_while() -> None:
    gate = admission(failures=3, recovery=10)
    for visitor in range(3):
        assert gate.come(visitor, OTHER, 0) is None
        gate.failed(visitor, 0, "wrong token")
        gate.gone(visitor)
    assert gate.come(4, OTHER, 0) == "too many failed greetings"
    assert gate.come(5, "192.0.2.2", 0) is None
    assert gate.come(6, OTHER, 11) is None
    assert gate.refused == {"wrong token": 3, "too many failed greetings": 1}


def test_who_fails_on_this_machine_is_not_refused_since_others_have_the_same_address() -> None:
    gate = admission(failures=1)
    for visitor in range(5):
        assert gate.come(visitor, "127.0.0.1", 0) is None
        gate.failed(visitor, 0, "wrong token")


def test_networks() -> None:
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("nonsense:") == "nonsense:"


MOVES = st.lists(
    st.tuples(st.sampled_from(["come", "greeted", "failed", "gone"]), st.integers(0, 5), st.integers(1, 3)), max_size=60
)


@given(MOVES)
def test_it_never_holds_more_than_it_may_and_forgets_all_who_are_gone(moves: list[tuple[str, int, int]]) -> None:
    gate = admission(connections=4, waiting=2, per_address=3, failures=4)
    there: set[int] = set()
    for number, (move, visitor, address) in enumerate(moves):
        match move:
            case "come" if visitor not in there:
                if gate.come(visitor, f"192.0.2.{address}", number) is None:
                    there.add(visitor)
                there -= set(gate.surplus())
            case "greeted" if visitor in there:
                gate.greeted(visitor)
            case "failed" if visitor in there:
                gate.failed(visitor, number, "wrong token")
            case "gone":
                gate.gone(visitor)
                there.discard(visitor)
        assert len(gate) == len(there) <= 4
        assert gate.waiting <= 2
    for visitor in there:
        gate.gone(visitor)
    assert not gate._addresses
    assert not gate._numbers
    assert not gate._waiting
