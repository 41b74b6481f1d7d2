"""What a project's file makes of the containers of its tests, and which tests may share them."""

from __future__ import annotations

import os
import re
import tomllib

import msgspec
import pytest
from msgspec import UNSET

from maelstrom_core.collapse import collapse
from maelstrom_core.spec import (
    BindMount,
    ContainerSpec,
    HostLayer,
    Network,
    ProjectLayer,
    PythonEnvironmentLayer,
    SysMount,
    TarLayer,
    TmpMount,
    Use,
)
from maelstrom_core.spec_parse import parse_containers
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.default_file import CONTENTS
from maelstrom_pytest.plan import InImage, shows_more
from maelstrom_pytest.rules import LANGUAGE, Rules, base_image, facts
from maelstrom_test_runner.directives import Directives, parse_directive
from maelstrom_test_runner.runner_file import load
from tests.unit.pytest_runner.builders import item, plan

A, B, C = item("a/test_a.py::test_a"), item("a/test_a.py::TestX::test_b[1::2]"), item("test_c.py::test_c")
TMP = {"type": "tmp", "mount_point": "/data"}


def marked(nodeid, *markers):
    return msgspec.structs.replace(item(nodeid), markers=markers)


def rules(*tables, containers=None, timeout=None, **more):
    named = parse_containers(containers or {})
    directives = Directives([parse_directive(table, LANGUAGE) for table in tables], named)
    said = directives.treatment({}).container
    return Rules(plan(said=said, named=named, **more), directives, timeout=timeout)


def container(*tables, **more) -> ContainerSpec:
    return rules(*tables, **more).site(A).container


def test_what_filters_know_of_a_test():
    assert facts(marked("a/b/test_x.py::TestX::test_b[1::2/3]", "slow")) == {
        "name": "TestX.test_b[1.2/3]",
        "node_id": "a/b/test_x.py::TestX::test_b[1::2/3]",
        "file": "a/b/test_x.py",
        "package": "a.b",
        "markers": frozenset({"slow"}),
    }
    assert facts(C)["package"] == ""


# the container


def test_without_directives_it_is_the_built_in_one():
    built_in = container()
    assert [type(layer) for layer in built_in.layers] == [HostLayer, PythonEnvironmentLayer, ProjectLayer]
    assert container({"timeout": 3, "ignore": False}) == built_in


@pytest.mark.parametrize(
    ("tables", "kinds"),
    [
        ([{"added_layers": [{"tar": "a"}]}], [HostLayer, PythonEnvironmentLayer, ProjectLayer, TarLayer]),
        ([{"layers": [{"tar": "a"}]}], [TarLayer, PythonEnvironmentLayer, ProjectLayer]),
        (
            [{"layers": [{"tar": "a"}], "added_layers": [{"tar": "b"}]}],
            [TarLayer, PythonEnvironmentLayer, ProjectLayer, TarLayer],
        ),
        ([{"layers": []}], [PythonEnvironmentLayer, ProjectLayer]),
        ([{"parent": "empty"}], [HostLayer, PythonEnvironmentLayer, ProjectLayer]),
        ([{"parent": "tar"}], [TarLayer, PythonEnvironmentLayer, ProjectLayer]),
    ],
)
def test_what_tests_cannot_run_without_is_there_in_any_case(tables, kinds):
    made = container(*tables, containers={"empty": {}, "tar": {"layers": [{"tar": "a"}]}})
    assert [type(layer) for layer in made.layers] == kinds


def variables(made):
    elements = made.environment if made.environment is not UNSET else made.added_environment
    return [element.vars for element in elements]


def test_the_callers_environment_is_added_to_or_replaced():
    caller = {"HOME": "/root"}
    assert variables(container({"added_environment": {"A": "b"}}, environment=caller)) == [caller, {"A": "b"}]
    assert variables(container({"environment": {"A": "b"}}, environment=caller)) == [{"A": "b"}]


def test_mounts_are_added_or_replaced_and_the_guest_is_there():
    guest = BindMount("/.maelstrom/guest", "/cache/guest", read_only=True)
    usual = container().mounts
    assert container({"added_mounts": [TMP]}).mounts == (*usual[:-1], TmpMount("/data"), guest)
    assert container({"mounts": []}).mounts == (guest,)


def test_this_machines_network_comes_without_sys():
    made = container({"network": "local"})
    assert made.network is Network.LOCAL
    assert not any(isinstance(mount, SysMount) for mount in made.mounts)
    collapse(made, {})


def test_tests_are_started_where_pytest_is_and_then_go_elsewhere():
    site = rules({"working_directory": "/elsewhere"}).site(A)
    assert (site.container.working_directory, site.directory) == ("/project", "/elsewhere")


def test_scalars_are_taken_over():
    made = container({"user": 5, "group": 6, "enable_writable_file_system": False, "limits": {"open_files": 99}})
    assert (made.user, made.group, made.enable_writable_file_system) == (5, 6, False)
    assert made.limits.open_files == 99
    assert (container().user, container().enable_writable_file_system) == (os.getuid(), True)


def test_a_parent_drops_what_was_said_before():
    made = container({"user": 5, "network": "local"}, {"parent": "p"}, containers={"p": {"group": 7}})
    assert (made.user, made.group, made.network) == (os.getuid(), 7, Network.LOOPBACK)


def test_the_minimal_container():
    made = container(hermetic=True, environment={"HOME": "/root", "CI": "true", "SECRET": "x"})
    assert "/etc" not in made.layers[0].host
    assert made.network is Network.DISABLED
    assert made.enable_writable_file_system is False
    (found,) = variables(made)
    assert found["PATH"].startswith("/venv/bin:")
    assert ("CI" in found, "SECRET" in found, found["HOME"]) == (True, False, "/tmp")
    assert container({"network": "loopback"}, hermetic=True).network is Network.LOOPBACK


# images

IN_IMAGE = InImage("base", "layer", virtual=True)


def test_an_image_brings_layers_and_environment_and_the_built_in_rest():
    everything = rules({"filter": "na.eq(test_a)", "image": "other", "added_environment": {"A": "b"}})
    assert everything.missing([A]) == ["other"]
    everything.add(plan(image=InImage("other", "layer", virtual=False)))
    assert everything.missing([A]) == []
    made = everything.site(A).container
    assert made.image.name == "other"
    assert made.image.use == {Use.LAYERS, Use.ENVIRONMENT}
    assert variables(made)[-1] == {"A": "b"}
    assert (made.network, made.working_directory) == (Network.LOOPBACK, "/project")
    collapse(made, {})


def test_what_a_container_of_an_image_replaces_is_not_used_of_it():
    made = container({"layers": [{"tar": "a"}]}, image=IN_IMAGE)
    assert made.image.use == {Use.ENVIRONMENT}
    assert [layer for layer in made.added_layers if isinstance(layer, TarLayer)] == [TarLayer("a")]


def test_tests_of_an_image_that_is_not_there_wait():
    found = rules(
        {"filter": "file.equals(test_c.py)", "image": "other"}, {"filter": "name.contains(b)", "ignore": True}
    )
    assert found.ready([A, B, C]) == [A]
    assert found.missing([A, B, C]) == ["other"]
    assert [found.ignored(each) for each in (A, B, C)] == [False, True, False]


def test_a_parent_of_this_machine_among_tests_of_an_image():
    found = rules({"filter": "name.equals(test_a)", "parent": "p"}, containers={"p": {}}, image=IN_IMAGE)
    assert found.missing([A, B]) == [None]
    found.add(plan(named={"p": ContainerSpec()}))
    assert found.site(A).container.image is UNSET
    assert found.site(B).container.image.name == "base"


def test_what_holds_for_all_tests_decides_about_collection():
    directives = Directives([parse_directive({"image": "all"}, LANGUAGE)])
    assert base_image(directives, "configured") == "all"
    assert base_image(Directives(), "configured") == "configured"
    conditional = Directives([parse_directive({"filter": "name.equals(a)", "image": "some"}, LANGUAGE)])
    assert base_image(conditional, None) is None


def test_collections_are_remembered_where_all_they_are_made_of_is_looked_at():
    assert not shows_more(plan())
    said = parse_directive({"added_layers": [{"tar": "a"}]}, LANGUAGE).container
    assert shows_more(plan(said=said))


# sharing


def test_tests_of_equal_containers_share_whatever_else_is_said_of_them():
    found = rules(
        {"filter": "name.equals(test_a)", "timeout": 3},
        {"filter": "name.contains(test_b)", "ignore": False},
        {"filter": "file.equals(test_c.py)", "added_environment": {"A": "b"}},
    )
    assert found.site(A) is found.site(B) is found.base
    assert found.site(C) is not found.base
    assert [members for _site, members in found.shares([A, C, B])] == [[A], [C], [B]]  # B's time is not limited
    found = rules({"filter": "name.equals(test_a)", "ignore": False}, {"timeout": 3})
    assert [members for _site, members in found.shares([A, C, B])] == [[A, C, B]]


def test_repetitions_share_nothing():
    again = msgspec.structs.replace(A, repetition=1)
    assert [members for _site, members in rules().shares([A, B, again])] == [[A, B], [again]]


@pytest.mark.parametrize(("option", "expected"), [(None, (10, None, 15)), (2.0, (2, 4, 4)), (0, (None, None, None))])
def test_me5_the_time_of_tests_together_and_the_option_before_directives(option, expected):
    found = rules(
        {"timeout": 5},
        {"filter": "name.equals(test_a)", "timeout": 10},
        {"filter": "file.equals(test_c.py)", "timeout": 0},
        timeout=option,
    )
    assert (found.timeout([A]), found.timeout([A, C]), found.timeout([A, B])) == expected


# the file that --init writes


def uncommented(text):
    return re.sub(r"(?m)^#(?=[^\s#])", "", text)


def test_me16_the_default_file_says_nothing_and_all_it_explains_is_true(tmp_path):
    path = tmp_path / "maelstrom-pytest.toml"
    values = {value.key: value for value in PytestConfig.schema()}
    path.write_text(CONTENTS)
    assert tomllib.loads(CONTENTS) == {}
    path.write_text(uncommented(CONTENTS))
    file = load(path, LANGUAGE, values)
    assert len(file.directives.all) == 4
    assert list(file.directives.containers) == ["old"]
    for name, value in file.values.items():
        values[name].kind.from_toml(value)
