"""Directives: what one says, what several say together, and the parents and images of their containers."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from maelstrom_core.collapse import resolve
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import ContainerSpec, EnvironmentElement, Limits, Network, Reference, TmpMount, Use
from maelstrom_core.spec_parse import IMAGE_USES, parse_containers
from maelstrom_test_runner.directives import (
    Directives,
    Treatment,
    fold,
    includes_shared_libraries,
    parse_directive,
)
from maelstrom_test_runner.filter_parser import FilterError
from maelstrom_test_runner.filters import TEXT_MATCHERS, Compared, Language, Selector

LANGUAGE = Language((Selector("name", 2, TEXT_MATCHERS), Selector("package", 1, TEXT_MATCHERS)))


def directive(**fields):
    return parse_directive(fields, LANGUAGE, "directives[0]")


def tar(name):
    return {"tar": name}


def folded(*tables):
    return fold(directive(**table) for table in tables)


def layers(container, **containers):
    return [layer.tar for layer in resolve(container, parse_containers(containers)).layers]


def test_me1_an_empty_directive_says_nothing():
    assert folded({}) == Treatment()
    assert directive().container == ContainerSpec()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tiemout": 3}, ("directives[0]", "`tiemout`", "did you mean `timeout`?")),
        ({"enviroment": {}}, ("`enviroment`", "did you mean `environment`?")),
        ({"timeout": -1}, ("directives[0].timeout", "-1")),
        ({"timeout": "1"}, ("directives[0].timeout", "a number")),
        ({"ignore": 1}, ("directives[0].ignore", "true or false")),
        ({"slots": 0}, ("directives[0].slots",)),
        ({"network": "locale"}, ("directives[0].network", "did you mean `local`?")),
        ({"layers": [{"trr": "a"}]}, ("directives[0].layers[0]", "did you mean `tar`?")),
        ({"image": "a", "parent": "b"}, ("exclude each other",)),
        ({"working_directory": "a"}, ("directives[0].working_directory", "absolute")),
        ({"filter": 3}, ("directives[0].filter", "a string")),
    ],
)
def test_me2_me6_what_is_wrong_is_named(fields, words):
    with pytest.raises(SpecError) as caught:
        directive(**fields)
    assert all(word in caught.value.render() for word in words)


def test_me3_the_filter_is_read_at_once():
    assert directive(filter="name.equals(a)").filter == Compared("name", "equals", "a")
    with pytest.raises(FilterError) as caught:
        directive(filter="nmae.equals(a)")
    assert caught.value.message.startswith("directives[0].filter: unknown selector `nmae`\n")


def test_me4_me9_lists_are_set_and_added_to_together():
    container = directive(
        layers=[tar("a")],
        added_layers=[tar("b")],
        environment={"A": "1"},
        added_environment=[{"vars": {"B": "2"}, "extend": False}],
        mounts=[{"type": "tmp", "mount_point": "/a"}],
        added_mounts=[{"type": "tmp", "mount_point": "/b"}],
    ).container
    assert layers(container) == ["a", "b"]
    resolved = resolve(container, {})
    assert resolved.environment == (EnvironmentElement({"A": "1"}), EnvironmentElement({"B": "2"}, extend=False))
    assert resolved.mounts == (TmpMount("/a"), TmpMount("/b"))
    assert resolved.replaced == {Use.LAYERS, Use.ENVIRONMENT, Use.MOUNTS}


@pytest.mark.parametrize(
    ("tables", "timeout"), [([{}], UNSET), ([{"timeout": 0}], 0), ([{"timeout": 3}, {}, {"timeout": 1}], 1)]
)
def test_me5_timeouts(tables, timeout):
    assert folded(*tables).timeout == timeout


def test_me5_flags_and_slots():
    assert folded({"ignore": True}).ignore is True
    assert folded({"ignore": True}, {"ignore": False}).ignore is False
    assert folded({"include_shared_libraries": False}, {}).include_shared_libraries is False
    assert folded({"slots": 3}, {}).slots == 3


def test_me6_what_is_set_beside_a_parent_is_not_used_of_it():
    container = directive(parent="p", layers=[tar("a")], user=3).container
    assert container.parent == Reference("p", frozenset(Use) - {Use.LAYERS, Use.USER})


def test_me7_a_parent_begins_anew():
    earlier = {"layers": [tar("a")], "user": 3, "enable_writable_file_system": True, "network": "local"}
    own = {"include_shared_libraries": True, "timeout": 5, "ignore": True, "slots": 2}
    total = folded({**earlier, **own}, {"parent": "p", "group": 4})
    assert total.container == ContainerSpec(parent=Reference("p", frozenset(Use) - {Use.GROUP}), group=4)
    assert (total.include_shared_libraries, total.timeout, total.ignore, total.slots) == (True, 5, True, 2)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ([{"layers": [tar("a")]}], ["a"]),
        ([{"layers": [tar("a")]}, {"user": 1}], ["a"]),
        ([{"layers": [tar("a")]}, {"layers": [tar("b")]}], ["b"]),
        ([{"layers": [tar("a")]}, {"added_layers": [tar("b")]}, {"added_layers": [tar("c")]}], ["a", "b", "c"]),
        ([{"added_layers": [tar("a")]}, {"layers": [tar("b")], "added_layers": [tar("c")]}], ["b", "c"]),
        ([{"parent": "p"}, {"added_layers": [tar("a")]}], ["p", "a"]),
        ([{"parent": "p"}, {"layers": [tar("a")]}], ["a"]),
        ([{"parent": "p", "added_layers": [tar("a")]}, {"added_layers": [tar("b")]}], ["p", "a", "b"]),
        ([{"parent": "p", "added_layers": [tar("a")]}, {"layers": [tar("b")]}], ["b"]),
    ],
)
def test_me8_layers(tables, expected):
    assert layers(folded(*tables).container, p={"layers": [tar("p")]}) == expected


def test_me9_environment_and_mounts_of_a_parent_are_added_to():
    total = folded({"parent": "p"}, {"added_environment": {"B": "2"}}, {"mounts": []}).container
    resolved = resolve(total, parse_containers({"p": {"environment": {"A": "1"}, "mounts": []}}))
    assert [element.vars for element in resolved.environment] == [{"A": "1"}, {"B": "2"}]
    assert resolved.mounts == ()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("working_directory", ("/a", "/b")),
        ("enable_writable_file_system", (True, False)),
        ("network", ("local", "loopback")),
        ("user", (1, 2)),
        ("group", (1, 2)),
        ("seccomp", ("off", "default")),
        ("limits", ({"open_files": 20}, {"processes": 3})),
    ],
)
def test_me10_scalars_are_set_kept_and_replaced(field, values):
    def value(*tables):
        return getattr(folded(*tables).container, field)

    first, second = ({field: each} for each in values)
    assert value({}) is UNSET
    assert value(first, {}) == value(first) != value(second)
    assert value(first, second) == value(second)


def test_me10_values_are_those_of_specifications():
    container = folded({"network": "local", "limits": {"open_files": 20}}).container
    assert (container.network, container.limits) == (Network.LOCAL, Limits(open_files=20))


def test_me12_images_are_found_in_directives_and_containers():
    containers = parse_containers({"c": {"image": {"name": "two", "use": ["layers"]}}, "d": {"layers": []}})
    found = Directives([directive(image="one"), directive(parent="c"), directive()], containers).images()
    assert found == {Reference("one", IMAGE_USES), Reference("two", frozenset({Use.LAYERS}))}


def test_me13_a_test_gets_what_means_it_in_the_order_of_the_file():
    directives = Directives(
        [
            directive(filter="package.equals(p)", user=1, timeout=1),
            directive(filter="name.equals(a)", user=2),
            directive(filter="name.equals(b)", ignore=True),
        ]
    )
    treated = {name: directives.treatment({"package": "p", "name": name}) for name in "abc"}
    assert [treated[name].container.user for name in "abc"] == [2, 1, 1]
    assert [treated[name].ignore for name in "abc"] == [False, True, False]
    assert directives.treatment({"package": "q", "name": "c"}) == Treatment()
    assert directives.treatment({"package": "p", "name": "c"}) is treated["c"]
    assert directives.treatment({"package": "p"}).container.user == 1


FAMILY = {
    "plain": {"layers": [tar("a")]},
    "whole": {"image": "i"},
    "bare": {"image": {"name": "i", "use": ["environment"]}},
    "deep": {"parent": "whole", "added_layers": [tar("a")]},
    "cut": {"parent": {"name": "whole", "use": ["environment"]}, "layers": [tar("a")]},
}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, True),
        ({"image": {"name": "i", "use": ["environment"]}}, True),
        ({"image": "i"}, False),
        ({"image": "i", "include_shared_libraries": True}, True),
        ({"include_shared_libraries": False}, False),
        ({"parent": "plain"}, True),
        ({"parent": {"name": "whole", "use": ["environment"]}}, True),
        ({"parent": "whole"}, False),
        ({"parent": "bare"}, True),
        ({"parent": "deep"}, False),
        ({"parent": "cut"}, True),
    ],
)
def test_me14_shared_libraries_come_with_an_image_or_from_this_machine(table, expected):
    assert includes_shared_libraries(folded(table), parse_containers(FAMILY)) is expected


def test_later_directives_replace_what_earlier_ones_require():
    said = folded({"labels": ["a"], "memory": 5, "slots": 2}, {"labels": ["b"]}, {"image": "i"})
    assert said.requirements == {"slots": 2, "memory": 5, "labels": ("b",)}
    with pytest.raises(SpecError, match="labels"):
        directive(labels=["a b"])


def test_me15_unknown_parents_and_loops():
    with pytest.raises(SpecError, match="no container `p`"):
        includes_shared_libraries(folded({"parent": "p"}), {})
    loop = parse_containers({"a": {"parent": "b"}, "b": {"parent": "a"}})
    with pytest.raises(SpecError, match="a -> b -> a"):
        includes_shared_libraries(folded({"parent": "a"}), loop)
