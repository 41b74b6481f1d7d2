"""Evaluation of environments: behaviours SU1 to SU15."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_core.environment import client_lookup, evaluate, substitute
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import EnvironmentElement

ENV = {"FOO": "foo", "BAR": "bar", "EMPTY": "", "BAZ": "client-baz"}
PREV = {"FOO": "prev-foo", "BAR": "prev-bar", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),  # SU1
        ("no dollar {} :-", "no dollar {} :-"),  # SU2
        ("foo$$bar$$$$baz$$$$$$", "foo$bar$$baz$$$"),  # SU3
        ("$$$$foo", "$$foo"),  # SU4
        ("xx$env{FOO}yy$prev{FOO}$env{BAR}$prev{BAR}zz", "xxfooyyprev-foobarprev-barzz"),  # SU7
        ("$env{FOO}x", "foox"),  # SU8
        ("x$env{FOO}", "xfoo"),
        ("$env{FOO}$env{BAR}", "foobar"),
        ("$$env{FOO}", "$env{FOO}"),
        ("$env{EMPTY:-Hello} $prev{X:-World}: $env{FOO:-bar}", "Hello World: foo"),  # SU9
        ("$env{EMPTY}", ""),
        ("$env{X:-}", ""),
        ("$env{X:-$$}", "$$"),
    ],
)
def test_su1_su2_su3_su4_su7_su8_su9_substitution(text, result):
    assert substitute(text, ENV.get, PREV.get) == result


@pytest.mark.parametrize("text", ["$", "foo$", "foo$$$", "$FOO", "$blah{FOO}", "$ env{FOO}", "$Env{FOO}"])
def test_su5_su6_lone_dollar_is_an_error_that_shows_how_to_write_one(text):
    with pytest.raises(SpecError) as caught:
        substitute(text, ENV.get, PREV.get)
    assert caught.value.hint is not None
    assert "$$" in caught.value.hint


@pytest.mark.parametrize("text", ["$env{FOO", "a $prev{FOO and $$ more"])
def test_su10_missing_brace_is_an_error(text):
    with pytest.raises(SpecError, match="no closing brace"):
        substitute(text, ENV.get, PREV.get)


@pytest.mark.parametrize("text", ["$env{XX}", "$prev{XX}"])
def test_su11_unknown_variable_is_named(text):
    with pytest.raises(SpecError, match="`XX`"):
        substitute(text, ENV.get, PREV.get)


def test_su12_failing_lookup_names_variable_and_cause():
    with pytest.raises(SpecError, match=r"`A`.*not UTF-8"):
        substitute("$env{A}", client_lookup({"A": "\udc80"}), PREV.get)


def test_su13_extending_element_is_merged_and_the_result_sorted():
    assert evaluate([EnvironmentElement({"B": "2", "A": "x"})], ENV.get, {"C": "3", "A": "1"}) == ("A=x", "B=2", "C=3")


def test_su13_replacing_element_still_sees_what_it_replaces():
    elements = [EnvironmentElement({"B": "$prev{A}"}, extend=False)]
    assert evaluate(elements, ENV.get, {"A": "1"}) == ("B=1",)


def test_su14_initial_values_are_taken_as_they_are():
    assert evaluate([], ENV.get, {"A": "$env{FOO}"}) == ("A=$env{FOO}",)


def test_su15_elements_in_order():
    elements = [
        EnvironmentElement({"FOO": "foo1", "BAR": "bar1"}),
        EnvironmentElement({"FOO": "foo2", "BAZ": "$env{BAZ}"}),
        EnvironmentElement({"FOO": "$prev{BAZ}", "BAR": "$prev{BAR}"}, extend=False),
    ]
    assert evaluate(elements, ENV.get) == ("BAR=bar1", "FOO=client-baz")


def test_error_names_the_variable_that_is_set():
    with pytest.raises(SpecError, match="failed to evaluate environment variable `A`: variable `X`"):
        evaluate([EnvironmentElement({"A": "$env{X}"})], ENV.get)


@given(st.text())
def test_doubling_every_dollar_is_the_inverse_of_substitution(text):
    assert substitute(text.replace("$", "$$"), ENV.get, PREV.get) == text
