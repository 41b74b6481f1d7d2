"""Parsing of containers: behaviours SP1 to SP18, SP23, SP24."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from maelstrom_core.spec import (
    BindMount,
    ContainerSpec,
    Device,
    DevicesMount,
    DevptsMount,
    EnvironmentElement,
    Limits,
    MqueueMount,
    Network,
    ProcMount,
    Reference,
    Seccomp,
    SysMount,
    TarLayer,
    TmpMount,
    Use,
)
from maelstrom_core.spec_parse import IMAGE_USES, PARENT_USES, parse_container
from tests.unit.core.parsing import error_of

ALL_USES = {"image": IMAGE_USES, "parent": PARENT_USES}
# an example of each field: the value written, and what it is parsed to
PLAIN: dict[Use, tuple[Any, Any]] = {
    Use.LAYERS: ([{"tar": "a.tar"}], (TarLayer("a.tar"),)),
    Use.ENVIRONMENT: ({"A": "b"}, (EnvironmentElement({"A": "b"}),)),
    Use.MOUNTS: ([{"type": "tmp", "mount_point": "/tmp"}], (TmpMount("/tmp"),)),
    Use.WORKING_DIRECTORY: ("/here", "/here"),
    Use.ENABLE_WRITABLE_FILE_SYSTEM: (True, True),
    Use.NETWORK: ("loopback", Network.LOOPBACK),
    Use.SECCOMP: ("off", Seccomp.OFF),
    Use.USER: (7, 7),
    Use.GROUP: (8, 8),
    Use.LIMITS: ({"open_files": 64}, Limits(open_files=64)),
}
VECTORS = [Use.LAYERS, Use.ENVIRONMENT, Use.MOUNTS]
ORIGINS = [(kind, use) for kind, uses in ALL_USES.items() for use in Use if use in uses]
VECTOR_ORIGINS = [(kind, use) for kind, use in ORIGINS if use in VECTORS]


def test_sp1_empty_container_sets_nothing():
    assert parse_container({}) == ContainerSpec()


def test_sp2_unknown_field_is_named_and_the_nearest_suggested():
    error = error_of({"enviroment": {}})
    assert error.message == "unknown field `enviroment`"
    assert error.hint == "did you mean `environment`?"


def test_sp3_image_and_parent_exclude_each_other():
    assert "exclude each other" in error_of({"image": "a", "parent": "b"}).message


@pytest.mark.parametrize("kind", ["image", "parent"])
@pytest.mark.parametrize("written", ["name", {"name": "name"}])
def test_sp4_reference_without_use_means_everything(kind, written):
    assert getattr(parse_container({kind: written}), kind) == Reference("name", ALL_USES[kind])


@pytest.mark.parametrize("kind", ["image", "parent"])
def test_sp4_every_name_of_use_is_accepted(kind):
    names = [use.value for use in ALL_USES[kind]]
    spec = parse_container({kind: {"name": "name", "use": names}})
    assert getattr(spec, kind) == Reference("name", ALL_USES[kind])


def test_sp4_image_has_no_mounts_to_use():
    error = error_of({"image": {"name": "a", "use": ["mounts"]}})
    assert error.message == "image.use: an image has no `mounts`"
    assert error.hint == "possible are layers, environment, working_directory, user"


def test_the_user_of_an_image_is_used_where_it_is_asked_for():
    assert Use.USER not in parse_container({"image": "a"}).image.use  # type: ignore[union-attr]
    spec = parse_container({"image": {"name": "a", "use": ["layers", "user"]}})
    assert spec.image == Reference("a", frozenset({Use.LAYERS, Use.USER}))
    assert "`user` is set here" in error_of({"image": {"name": "a", "use": ["user"]}, "user": 1}).message


def test_sp4_unknown_use_is_suggested():
    error = error_of({"parent": {"name": "a", "use": ["layers", "envronment"]}})
    assert error.message == "parent.use[1]: unknown value `envronment`"
    assert error.hint == "did you mean `environment`?"


def test_empty_name_of_a_parent_is_an_error():
    assert error_of({"parent": ""}).message == "parent: the name of the parent is empty"


@pytest.mark.parametrize(("kind", "use"), ORIGINS)
def test_sp5_sp8_sp14_to_sp17_field_replaces_an_implicit_use(kind, use):
    written, parsed = PLAIN[use]
    spec = parse_container({kind: "a", use.value: written})
    assert getattr(spec, kind) == Reference("a", ALL_USES[kind] - {use})
    assert getattr(spec, use.value) == parsed


@pytest.mark.parametrize(("kind", "use"), ORIGINS)
def test_sp6_sp8_sp14_to_sp17_field_contradicts_an_explicit_use(kind, use):
    error = error_of({kind: {"name": "a", "use": [use.value]}, use.value: PLAIN[use][0]})
    assert error.message == f"{use.value}: `{use.value}` is set here and used from {kind} `a`"
    assert error.hint is not None
    assert (f"added_{use.value}" in error.hint) == (use in VECTORS)


@pytest.mark.parametrize(("kind", "use"), ORIGINS)
def test_sp7_sp8_sp14_to_sp17_field_beside_an_explicit_use_of_others(kind, use):
    others = ALL_USES[kind] - {use}
    spec = parse_container({kind: {"name": "a", "use": [item.value for item in others]}, use.value: PLAIN[use][0]})
    assert getattr(spec, kind) == Reference("a", others)


@pytest.mark.parametrize(("kind", "use"), VECTOR_ORIGINS)
@pytest.mark.parametrize("explicit", [False, True])
def test_sp9_added_field_keeps_the_use(kind, use, explicit):
    reference = {"name": "a", "use": [use.value]} if explicit else "a"
    written, parsed = PLAIN[use]
    spec = parse_container({kind: reference, f"added_{use.value}": written})
    assert use in getattr(spec, kind).use
    assert getattr(spec, f"added_{use.value}") == parsed


@pytest.mark.parametrize(("kind", "use"), VECTOR_ORIGINS)
@pytest.mark.parametrize("empty", [False, True])
def test_sp10_sp13_added_field_needs_the_use(kind, use, empty):
    error = error_of({kind: {"name": "a", "use": []}, f"added_{use.value}": [] if empty else PLAIN[use][0]})
    assert error.message.startswith(f"added_{use.value}: `{use.value}` of {kind} `a` is not used")
    assert error.hint is not None
    assert error.hint.startswith(f"write `{use.value}` instead")


@pytest.mark.parametrize("use", VECTORS)
@pytest.mark.parametrize("empty", [False, True])
def test_sp11_sp13_added_field_needs_something_to_add_to(use, empty):
    error = error_of({f"added_{use.value}": [] if empty else PLAIN[use][0]})
    assert error.message.startswith(f"added_{use.value}: there is no parent")
    assert error.hint == f"write `{use.value}` instead"


def test_sp11_an_image_has_no_mounts_to_add_to():
    error = error_of({"image": "a", "added_mounts": []})
    assert error.message == "added_mounts: an image has no `mounts` to add to"


@pytest.mark.parametrize(("kind", "use"), VECTOR_ORIGINS)
@pytest.mark.parametrize("empty", [False, True])
def test_sp12_sp13_added_and_plain_field_exclude_each_other(kind, use, empty):
    written = [] if empty else PLAIN[use][0]
    error = error_of({kind: "a", use.value: written, f"added_{use.value}": written})
    assert error.message == f"added_{use.value}: `{use.value}` and `added_{use.value}` exclude each other"


def test_sp13_empty_layers_replace_an_implicit_use():
    spec = parse_container({"image": "a", "layers": []})
    assert spec.image == Reference("a", IMAGE_USES - {Use.LAYERS})
    assert spec.layers == ()


def test_sp14_environment_as_map_is_one_extending_element():
    spec = parse_container({"environment": {"A": "1", "B": "2"}})
    assert spec.environment == (EnvironmentElement({"A": "1", "B": "2"}, extend=True),)


def test_sp14_environment_as_list():
    spec = parse_container({"environment": [{"vars": {"A": "1"}, "extend": False}, {"vars": {}}]})
    assert spec.environment == (EnvironmentElement({"A": "1"}, extend=False), EnvironmentElement({}, extend=True))


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"A": 1}, "environment.A: expected a string, got an integer"),
        ([{"vars": {"A": None}}], "environment[0].vars.A: expected a string, got null"),
        ([{"vars": {}, "extnd": True}], "environment[0]: unknown field `extnd`"),
        ([{}], "environment[0]: field `vars` is missing"),
        ("A=1", "environment: expected a table of names and values or a list, got a string"),
        ({"A=B": "c"}, "environment: `A=B` cannot be the name of an environment variable"),
    ],
)
def test_sp14_environment_errors_name_the_place(environment, message):
    assert error_of({"environment": environment}).message == message


def test_sp18_image_without_layers_is_parsed():
    spec = parse_container({"image": {"name": "a", "use": ["environment"]}})
    assert spec.layers is UNSET


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        ({"type": "bind", "mount_point": "/a", "local_path": "b"}, BindMount("/a", "b", read_only=False)),
        (
            {"type": "bind", "mount_point": "/a", "local_path": "b", "read_only": True},
            BindMount("/a", "b", read_only=True),
        ),
        ({"type": "devices", "devices": [d.value for d in Device]}, DevicesMount(tuple(Device))),
        ({"type": "devpts", "mount_point": "/a"}, DevptsMount("/a")),
        ({"type": "mqueue", "mount_point": "/a"}, MqueueMount("/a")),
        ({"type": "proc", "mount_point": "/a"}, ProcMount("/a")),
        ({"type": "sys", "mount_point": "/a"}, SysMount("/a")),
        ({"type": "tmp", "mount_point": "/a"}, TmpMount("/a")),
        ({"type": "tmp", "mount_point": "/a", "size": 4096}, TmpMount("/a", 4096)),
    ],
)
def test_sp23_each_kind_of_mount(written, parsed):
    assert parse_container({"mounts": [written]}).mounts == (parsed,)


@pytest.mark.parametrize("kind", ["bind", "devpts", "mqueue", "proc", "sys", "tmp"])
@pytest.mark.parametrize("root", ["/", "//", "/.", "/a/.."])
def test_sp23_nothing_is_mounted_on_the_root(kind, root):
    mount = {"type": kind, "mount_point": root} | ({"local_path": "a"} if kind == "bind" else {})
    assert error_of({"mounts": [mount]}).message == "mounts[0].mount_point: nothing can be mounted on `/`"


@pytest.mark.parametrize(
    ("mount", "message", "hint"),
    [
        ({"type": "tmpfs", "mount_point": "/a"}, "mounts[0].type: unknown value `tmpfs`", "did you mean `tmp`?"),
        (
            {"type": "devices", "devices": ["nul"]},
            "mounts[0].devices[0]: unknown value `nul`",
            "did you mean `null`?",
        ),
        ({"mount_point": "/a"}, "mounts[0]: field `type` is missing", None),
        ({"type": "tmp"}, "mounts[0]: field `mount_point` is missing", None),
        ({"type": "tmp", "mountpoint": "/"}, "mounts[0]: unknown field `mountpoint`", "did you mean `mount_point`?"),
        (
            {"type": "tmp", "mount_point": "/a", "size": 0},
            "mounts[0].size: 0 is out of range",
            f"bytes, from 1 to {2**62}",
        ),
        (
            {"type": "tmp", "mount_point": "/a", "size": -1},
            "mounts[0].size: -1 is out of range",
            f"bytes, from 1 to {2**62}",
        ),
        (
            {"type": "tmp", "mount_point": "/a", "size": 2**63},
            f"mounts[0].size: {2**63} is out of range",
            f"bytes, from 1 to {2**62}",
        ),
        (
            {"type": "tmp", "mount_point": "/a", "size": "1G"},
            "mounts[0].size: expected an integer or null, got a string",
            None,
        ),
        ({"type": "tmp", "mount_point": "/a", "siz": 1}, "mounts[0]: unknown field `siz`", "did you mean `size`?"),
        ({"type": "tmp", "mount_point": "a"}, "mounts[0].mount_point: `a` is not an absolute path", None),
    ],
)
def test_sp23_wrong_mounts_are_errors(mount, message, hint):
    error = error_of({"mounts": [mount]})
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize("network", list(Network))
def test_sp24_networks(network):
    assert parse_container({"network": network.value}).network is network


def test_sp24_unknown_network():
    error = error_of({"network": "loop"})
    assert error.message == "network: unknown value `loop`"
    assert error.hint == "did you mean `loopback`?"


@pytest.mark.parametrize(
    ("limits", "message", "hint"),
    [
        ({"open_files": 15}, "limits.open_files: 15 is out of range", f"it lies in 16 to {2**62}"),
        ({"processes": 0}, "limits.processes: 0 is out of range", f"it lies in 1 to {2**62}"),
        ({"core_size": -1}, "limits.core_size: -1 is out of range", f"it lies in 0 to {2**62}"),
        ({"cpu_time": 2**63}, f"limits.cpu_time: {2**63} is out of range", f"it lies in 1 to {2**62}"),
        ({"cpu_time": 0.5}, "limits.cpu_time: expected an integer or null, got a number", None),
        ({"memory": 1 << 20}, "limits.memory: 1048576 is out of range", f"it lies in {1 << 24} to {2**62}"),
        ({"cpu_weight": 10_001}, "limits.cpu_weight: 10001 is out of range", "it lies in 1 to 10000"),
        ({"nofile": 64}, "limits: unknown field `nofile`", "did you mean `open_files`?"),
        ([], "limits: expected a table of names and values, got a list", None),
    ],
)
def test_wrong_limits_are_errors(limits, message, hint):
    error = error_of({"limits": limits})
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize("seccomp", list(Seccomp))
def test_which_system_calls_a_job_may_make(seccomp):
    assert parse_container({"seccomp": seccomp.value}).seccomp is seccomp


def test_seccomp_is_on_or_off_by_name():
    error = error_of({"seccomp": "of"})
    assert (error.message, error.hint) == ("seccomp: unknown value `of`", "did you mean `off`?")
    assert error_of({"seccomp": False}).message.startswith("seccomp: expected")
