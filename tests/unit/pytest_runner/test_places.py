"""Tests are found again by id, or by their place where ids are made anew."""

from __future__ import annotations

from maelstrom_pytest.guest.places import at_their_places, places

OLD = ["a.py::f[1]", "a.py::g", "a.py::f[2]", "a.py::h[x]", "a.py::h[y]"]


def collected(*nodeids: str) -> dict[tuple[str, int], tuple[int, str]]:
    return {(nodeid, 0): (number, nodeid) for number, nodeid in enumerate(nodeids)}


def found(*nodeids: str) -> list[tuple[int, int, str]]:
    told = {str(number): place for number, place in enumerate(places(OLD)) if place is not None}
    wanted = {(nodeid, 0): number for number, nodeid in enumerate(OLD)}
    return at_their_places(collected(*nodeids), wanted, told)


def test_places_count_the_parameter_sets_of_a_function():
    assert places(OLD) == [(0, 2), None, (1, 2), (0, 2), (1, 2)]


def test_what_is_there_by_id_is_not_looked_for():
    assert found(*OLD) == []


def test_new_ids_of_as_many_tests_are_those_at_the_same_places():
    assert found("a.py::f[7]", "a.py::g", "a.py::f[8]", "a.py::h[x]", "a.py::h[y]") == [
        (0, 0, "a.py::f[7]"),
        (2, 2, "a.py::f[8]"),
    ]


def test_of_another_number_of_tests_nothing_says_which_is_which():
    assert found("a.py::f[7]", "a.py::g", "a.py::h[x]", "a.py::h[y]") == []
    assert found("a.py::f", "a.py::f[7]", "a.py::g[1]", "a.py::h[x]") == []
