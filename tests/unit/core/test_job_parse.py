"""Parsing of jobs, and of what maelstrom-run reads: behaviours SP22, SP26, SP27; whatever else comes in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.errors import SpecError
from maelstrom_core.spec import ContainerSpec, EnvironmentElement, JobSpec, Out, Reference, Use
from maelstrom_core.spec_parse import PARENT_USES, parse_containers, parse_job, parse_run_input
from tests.unit.core.parsing import error_of


def test_sp22_job_with_program_only():
    assert parse_job({"program": "a"}) == JobSpec(container=ContainerSpec(), program="a")


def test_sp22_job_with_everything():
    job = parse_job({"program": "a", "arguments": ["b"], "timeout": 1.5, "priority": -3, "user": 5, "slots": 2})
    assert job == JobSpec(
        container=ContainerSpec(user=5), program="a", arguments=("b",), timeout=1.5, priority=-3, slots=2
    )


def test_a_job_may_require_memory_and_labels():
    job = parse_job({"program": "a", "memory": 5, "labels": ["gpu=yes", "zone"]})
    assert (job.memory, job.labels) == (5, ("gpu=yes", "zone"))


def test_a_job_may_have_its_input_with_it():
    assert parse_job({"program": "a"}).stdin == ""
    assert parse_job({"program": "a", "stdin": "zeile\n\u00e4"}).stdin == "zeile\n\u00e4"


def test_sp22_timeout_zero_is_none():
    assert parse_job({"program": "a", "timeout": 0}).timeout is None


@pytest.mark.parametrize("priority", [-128, 127])
def test_sp22_limits_of_priority_are_accepted(priority):
    assert parse_job({"program": "a", "priority": priority}).priority == priority


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"priority": 128}, "priority: 128 is out of range"),
        ({"priority": -129}, "priority: -129 is out of range"),
        ({"slots": 0}, "slots: 0 is out of range"),
        ({"slots": 2**17}, "slots: 131072 is out of range"),
        ({"memory": -1}, "memory: -1 is out of range"),
        ({"labels": ["a", "b c"]}, "labels[1]: 'b c' is no label"),
        ({"labels": [""]}, "labels[0]: '' is no label"),
        ({"labels": ["a"] * 17}, "labels: a job requires at most 16 labels"),
        ({"timeout": -1}, "timeout: -1.0 is no number of seconds"),
        ({"timeout": float("inf")}, "timeout: inf is no number of seconds"),
        ({"timeout": float("nan")}, "timeout: nan is no number of seconds"),
        ({"timeout": True}, "timeout: expected a number or null, got true or false"),
        ({"program": ""}, "program: a program must be named"),
        ({"estimated_duration": 1}, "unknown field `estimated_duration`"),
        ({"args": []}, "unknown field `args`"),
        ({"stdin": 1}, "stdin: expected a string, got an integer"),
        ({"allocate_tty": {"rows": 1, "columns": 1}}, "unknown field `allocate_tty`"),
        ({"user": -1}, "user: -1 is out of range"),
        ({"group": 2**32 - 1}, "group: 4294967295 is out of range"),
        ({"working_directory": "a"}, "working_directory: `a` is not an absolute path"),
        ({"arguments": ["a\0b"]}, "arguments[0]: a text must not contain a NUL character"),
        ({"arguments": ["\ud800"]}, None),
        ({"out": ""}, "out: a directory must be named"),
        ({"out": {"directory": ""}}, "out: a directory must be named"),
        ({"capture": ""}, "capture: a file must be named"),
    ],
)
def test_sp22_wrong_fields_of_jobs_are_errors(fields, message):
    error = error_of({"program": "a", **fields}, parse_job)
    assert message is None or error.message == message


def test_pr10_what_is_to_be_kept_of_a_job():
    job = parse_job({"program": "a", "out": "b", "capture": "c.tar"})
    assert (job.out, job.capture) == (Out("b"), "c.tar")
    assert parse_job({"program": "a", "out": {"directory": "b", "path": "/c"}}).out == Out("b", "/c")


@pytest.mark.parametrize("field", ["program", "arguments", "timeout", "priority", "out", "capture"])
def test_co13_what_belongs_to_a_job_alone_is_no_field_of_a_container(field):
    """So there is nothing to inherit."""
    assert error_of({"a": {field: 1}}, parse_containers).message == f"containers.a: unknown field `{field}`"


def test_sp22_program_is_required():
    assert error_of({"arguments": []}, parse_job).message == "field `program` is missing"


def test_place_is_put_before_every_error():
    with pytest.raises(SpecError, match=r"^containers\.a\.user: -1 is out of range$"):
        parse_containers({"a": {"user": -1}})


def test_sp26_run_input_of_containers():
    assert parse_run_input({"containers": {"a": {"user": 1}, "b": {}}}) == {
        "a": ContainerSpec(user=1),
        "b": ContainerSpec(),
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"containers": {"a": {"foo": 1}}}, "containers.a: unknown field `foo`"),
        ({"containers": {}, "program": "a"}, "unknown field `containers`"),
        ({"containers": {}, "foo": "a"}, "unknown field `foo`"),
        ({"containers": 42}, "containers: expected a table of names and values, got an integer"),
        ([], "expected a table of names and values, got a list"),
    ],
)
def test_sp26_wrong_run_input(value, message):
    assert error_of(value, parse_run_input).message == message


def test_sp26_run_input_of_a_job():
    assert parse_run_input({"program": "a"}) == JobSpec(container=ContainerSpec(), program="a")


def test_sp27_job_in_a_named_container():
    job = parse_job(
        {
            "parent": "parent",
            "layers": [{"tar": "a"}],
            "working_directory": "/a",
            "added_environment": {"A": "b"},
            "program": "p",
        }
    )
    assert job.container.parent == Reference("parent", PARENT_USES - {Use.LAYERS, Use.WORKING_DIRECTORY})
    assert job.container.added_environment == (EnvironmentElement({"A": "b"}),)


def test_absurd_nesting_is_refused():
    value: Any = "a"
    for _ in range(100):
        value = [value]
    assert "nested" in error_of({"layers": value}).message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(sorted({*JobSpec.__struct_fields__, *ContainerSpec.__struct_fields__, "containers"}))


@given(st.dictionaries(names, json_values, max_size=4) | json_values)
def test_whatever_comes_in_is_a_value_or_a_spec_error(value):
    parsed: object = {}
    message = "none"
    try:
        parsed = parse_run_input(value)
    except SpecError as error:
        message = error.message
    assert message
    assert isinstance(parsed, JobSpec | dict)


def test_a_job_of_text_and_of_toml_are_the_same():
    text = '{"program": "a", "layers": [{"tar": "b"}], "timeout": 3}'
    assert parse_job(json.loads(text)) == parse_job({"program": "a", "layers": [{"tar": "b"}], "timeout": 3})
