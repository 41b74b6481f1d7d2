"""Reading a stream's objects with a memory gives what reading each for itself gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import SpecError
from maelstrom_core.run_input import REMEMBERED, RunInput
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_core.spec_parse import parse_run_input

CONTAINER = {"layers": [{"tar": "a"}], "environment": {"A": "b"}, "network": "loopback", "user": 1}


def result_of(parse: Any, value: object) -> object:
    try:
        return parse(value)
    except SpecError as error:
        return error.message, error.hint


def job_of(value: dict[str, object], parser: RunInput) -> JobSpec:
    job = parser.parse(value)
    assert isinstance(job, JobSpec)
    return job


def test_equal_containers_are_one_object():
    parser = RunInput()
    first = job_of({**CONTAINER, "program": "a"}, parser)
    second = job_of({"program": "b", "arguments": ["c"], "timeout": 2, "priority": 3, **CONTAINER}, parser)
    assert second == JobSpec(container=first.container, program="b", arguments=("c",), timeout=2.0, priority=3)
    assert second.container is first.container


@pytest.mark.parametrize("user", [True, 1.0])
def test_what_python_takes_for_equal_is_not(user):
    parser = RunInput()
    parser.parse({"program": "a", "user": 1})
    value = {"program": "a", "user": user}
    assert result_of(parser.parse, value) == result_of(parse_run_input, value)


def test_a_wrong_container_is_wrong_each_time():
    parser = RunInput()
    value = {"program": "a", "user": -1}
    errors = {result_of(parser.parse, value) for _ in range(3)}
    assert errors == {("user: -1 is out of range", "an id lies in 0 to 4294967294")}


@pytest.mark.parametrize("wrong", ["\ud800", 2**80])
def test_what_cannot_be_a_key_is_refused_as_ever(wrong):
    value: dict[str, object] = {"program": "a", "working_directory": wrong}
    assert result_of(RunInput().parse, value) == result_of(parse_run_input, value)


def test_the_memory_has_an_end():
    parser = RunInput()
    for user in (*range(3 * REMEMBERED), 0):
        assert parser.parse({"program": "a", "user": user}) == JobSpec(container=ContainerSpec(user=user), program="a")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.0, 1e30, "/a", "", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["tar", "a"]), inner, max_size=2),
    max_leaves=4,
)
names = st.sampled_from(
    ["program", "arguments", "timeout", "priority", "layers", "environment", "user", "group", "network", "containers"]
)
objects = st.dictionaries(names, json_values, max_size=4) | st.just({**CONTAINER, "program": "a"})


@given(st.lists(objects, max_size=5))
def test_memory_makes_no_difference(values):
    parser = RunInput()
    for value in [*values, *values]:
        again = json.loads(json.dumps(value))  # an equal object that shares nothing
        assert result_of(parser.parse, again) == result_of(parse_run_input, value)
