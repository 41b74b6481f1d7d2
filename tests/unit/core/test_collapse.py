"""Resolving parents: behaviours CO1 to CO15, and SP25."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from maelstrom_core.collapse import FlatContainer, collapse, must_be_local, resolve
from maelstrom_core.errors import SpecError
from maelstrom_core.spec import (
    BindMount,
    EnvironmentElement,
    Network,
    Reference,
    Seccomp,
    SysMount,
    TarLayer,
    TmpMount,
    Use,
)
from maelstrom_core.spec_parse import IMAGE_USES, parse_container

SCALARS: list[tuple[str, Any, Any]] = [
    ("enable_writable_file_system", False, True),
    ("network", "disabled", "local"),
    ("seccomp", "off", "default"),
    ("user", 1, 2),
    ("group", 3, 4),
    ("working_directory", "/a", "/b"),
    ("limits", {"open_files": 64}, {"open_files": 65, "core_size": 0}),
]


def family(**containers: dict[str, Any]) -> dict[str, Any]:
    return {name: parse_container(value) for name, value in containers.items()}


def tar(name: str) -> dict[str, Any]:
    return {"tar": name}


def test_co1_unknown_parent_is_named():
    with pytest.raises(SpecError, match="there is no container `p1`"):
        resolve(parse_container({"parent": "p1"}), {})


def test_co1_unknown_grandparent_is_named_with_the_way_there():
    with pytest.raises(SpecError) as caught:
        resolve(parse_container({"parent": "p1"}), family(p1={"parent": "p2"}, pp2={}))
    assert caught.value.message == "there is no container `p2` to be a parent (reached through p1)"
    assert caught.value.hint == "did you mean `pp2`?"


def test_co2_loop_is_shown_as_a_chain():
    containers = family(p1={"parent": "p3"}, p2={"parent": "p1"}, p3={"parent": "p2"}, p4={"parent": "p4"})
    with pytest.raises(SpecError, match=r"its own ancestor: p1 -> p3 -> p2 -> p1$"):
        resolve(parse_container({"parent": "p1"}), containers)
    with pytest.raises(SpecError, match=r"its own ancestor: p4 -> p4$"):
        resolve(parse_container({"parent": "p4"}), containers)


def test_co3_parent_that_contributes_nothing_is_not_looked_up():
    spec = parse_container({"parent": {"name": "p1", "use": ["group"]}, "user": 101})
    resolved = resolve(spec, family(p1={"parent": "unknown", "user": 202, "group": 203}))
    assert (resolved.user, resolved.group) == (101, 203)


def test_co4_layers_of_ancestors_come_first():
    containers = family(
        p1={"image": "image", "added_layers": [tar("p1")]}, p2={"parent": "p1", "added_layers": [tar("p2")]}
    )
    resolved = resolve(parse_container({"parent": "p2", "added_layers": [tar("own")]}), containers)
    assert resolved.layers == (TarLayer("p1"), TarLayer("p2"), TarLayer("own"))
    assert resolved.image == Reference("image", frozenset({Use.LAYERS, Use.ENVIRONMENT, Use.WORKING_DIRECTORY}))


def test_co5_parent_used_for_environment_only_gives_no_layers():
    spec = parse_container({"parent": {"name": "p", "use": ["environment"]}})
    resolved = resolve(spec, family(p={"layers": [tar("p")], "environment": {"A": "b"}}))
    assert resolved.layers == ()
    assert resolved.environment == (EnvironmentElement({"A": "b"}),)


def test_co6_image_is_reduced_to_what_is_used_of_the_parent():
    resolved = resolve(parse_container({"parent": {"name": "p", "use": ["layers"]}}), family(p={"image": "image"}))
    assert resolved.image == Reference("image", frozenset({Use.LAYERS}))


def test_co7_image_of_which_nothing_is_used_is_dropped():
    resolved = resolve(parse_container({"parent": {"name": "p", "use": ["user"]}}), family(p={"image": "image"}))
    assert resolved.image is None


@pytest.mark.parametrize(("name", "value", "other"), SCALARS)
def test_co8_co12_own_value_beats_the_parents(name, value, other):
    resolved = resolve(parse_container({"parent": "p", name: value}), family(p={name: other}))
    assert getattr(resolved, name) == getattr(parse_container({name: value}), name)


@pytest.mark.parametrize(("name", "value", "other"), SCALARS)
def test_co8_co12_nearest_ancestor_wins(name, value, other):
    containers = family(near={"parent": "far", name: value}, far={name: other})
    resolved = resolve(parse_container({"parent": "near"}), containers)
    assert getattr(resolved, name) == getattr(parse_container({name: value}), name)


@pytest.mark.parametrize(("name", "value", "other"), SCALARS)
def test_co8_co12_what_is_not_used_is_not_set(name, value, other):
    containers = family(near={"parent": {"name": "far", "use": []}}, far={name: other})
    assert getattr(resolve(parse_container({"parent": "near"}), containers), name) is UNSET


@pytest.mark.parametrize("name", ["environment", "mounts"])
def test_co9_co11_ancestors_come_first(name):
    values = {
        "environment": [{"A": "1"}, {"B": "2"}, {"C": "3"}],
        "mounts": [[{"type": "tmp", "mount_point": f"/{n}"}] for n in "abc"],
    }[name]
    containers = family(far={name: values[0]}, near={"parent": "far", f"added_{name}": values[1]})
    resolved = resolve(parse_container({"parent": "near", f"added_{name}": values[2]}), containers)
    expected = {
        "environment": tuple(EnvironmentElement(value) for value in values),  # type: ignore[arg-type]
        "mounts": tuple(TmpMount(f"/{n}") for n in "abc"),
    }[name]
    assert getattr(resolved, name) == expected


def test_co9_environment_set_nearer_cuts_the_chain():
    containers = family(far={"environment": {"A": "1"}}, near={"parent": "far", "environment": {"B": "2"}})
    resolved = resolve(parse_container({"parent": "near", "added_environment": {"C": "3"}}), containers)
    assert resolved.environment == (EnvironmentElement({"B": "2"}), EnvironmentElement({"C": "3"}))


def test_co10_working_directory_set_nearer_is_not_used_of_the_image():
    containers = family(p={"image": "image"})
    resolved = resolve(parse_container({"parent": "p", "working_directory": "/a"}), containers)
    assert resolved.working_directory == "/a"
    assert resolved.image == Reference("image", frozenset({Use.LAYERS, Use.ENVIRONMENT}))


def test_co14_image_used_for_its_working_directory_only():
    spec = parse_container({"image": {"name": "image", "use": ["working_directory"]}, "layers": [tar("a")]})
    assert resolve(spec, {}).image == Reference("image", frozenset({Use.WORKING_DIRECTORY}))


def test_co15_image_stays_for_whoever_can_have_it():
    flat = collapse(parse_container({"image": "docker://alpine", "added_layers": [tar("a")]}), {})
    assert flat.image == Reference("docker://alpine", IMAGE_USES)
    assert flat.layers == (TarLayer("a"),)


def test_pr1_image_whose_layers_are_not_used_is_no_layer():
    with pytest.raises(SpecError, match="no layers"):
        collapse(parse_container({"image": {"name": "docker://alpine", "use": ["environment"]}}), {})


def test_group_comes_with_the_user_of_an_image_unless_it_is_set():
    image = {"name": "a", "use": ["layers", "user"]}
    flat = collapse(parse_container({"image": image}), {})
    assert flat.image == Reference("a", frozenset({Use.LAYERS, Use.USER, Use.GROUP}))
    flat = collapse(parse_container({"image": image, "group": 7}), {})
    assert flat.image == Reference("a", frozenset({Use.LAYERS, Use.USER}))
    assert flat.group == 7


def test_defaults_are_filled_in():
    assert collapse(parse_container({"layers": [tar("a")]}), {}) == FlatContainer(
        layers=(TarLayer("a"),),
        environment=(),
        working_directory="/",
        writable=False,
        mounts=(),
        network=Network.DISABLED,
        user=0,
        group=0,
        seccomp=Seccomp.DEFAULT,
    )


def test_values_are_taken_over():
    flat = collapse(
        parse_container({"parent": "p", "user": 5, "enable_writable_file_system": True}),
        family(p={"layers": [tar("a")], "network": "local", "group": 6, "working_directory": "/w"}),
    )
    assert (flat.user, flat.group, flat.writable) == (5, 6, True)
    assert (flat.network, flat.working_directory) == (Network.LOCAL, "/w")


def test_sp18_at_least_one_layer():
    with pytest.raises(SpecError, match="no layers"):
        collapse(parse_container({"layers": []}), {})


def test_sys_mount_excludes_the_local_network_wherever_they_come_from():
    containers = family(p={"mounts": [{"type": "sys", "mount_point": "/sys"}], "layers": [tar("a")]})
    with pytest.raises(SpecError, match="`sys` mount"):
        collapse(parse_container({"parent": "p", "network": "local"}), containers)
    assert collapse(parse_container({"parent": "p", "network": "loopback"}), containers).mounts == (SysMount("/sys"),)


@pytest.mark.parametrize(
    ("network", "mounts", "terminal", "local"),
    [
        (Network.DISABLED, (), False, False),
        (Network.LOOPBACK, (TmpMount("/tmp"),), False, False),
        (Network.LOCAL, (), False, True),
        (Network.DISABLED, (BindMount("/a", "b"),), False, True),
        (Network.DISABLED, (), True, True),
    ],
)
def test_sp25_what_ties_a_job_to_this_machine(network, mounts, terminal, local):
    assert must_be_local(network, mounts, terminal=terminal) is local
    assert must_be_local(network, mounts, captured=True), "a local root overlay"
