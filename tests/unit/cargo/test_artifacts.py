"""RG4: test binaries are handed on as soon as they can be run."""

from __future__ import annotations

import json

import pytest

from cargo_maelstrom.messages import Artifacts, parse_message
from cargo_maelstrom.metadata import Package, Target, without_harness
from maelstrom_core.errors import InfrastructureError


def package(*binaries: str, name: str = "p", **fields: object) -> Package:
    targets = tuple(Target(each, ("bin",)) for each in binaries)
    return Package(name, "1.0.0", f"id-{name}", f"/w/{name}/Cargo.toml", fields.pop("targets", targets), **fields)


def artifact(kind: str, name: str, *, test: bool = True, package: str = "p", executable: bool = True):
    line = {
        "reason": "compiler-artifact",
        "package_id": f"id-{package}",
        "target": {"name": name, "kind": [kind], "src_path": f"/w/{name}.rs"},
        "profile": {"test": test, "opt_level": "0"},
        "executable": f"/t/{name}" if executable else None,
    }
    return parse_message(json.dumps(line).encode())


def names(binaries) -> list[str]:
    return [binary.target.name for binary in binaries]


def test_rg4_unit_tests_do_not_wait():
    artifacts = Artifacts([package("x", "y")])
    assert names(artifacts.add(artifact("lib", "p"))) == ["p"]
    assert names(artifacts.add(artifact("bin", "x"))) == ["x"]
    assert names(artifacts.add(artifact("proc-macro", "m"))) == ["m"]


def test_rg4_an_integration_test_waits_for_all_programs_of_its_package():
    artifacts = Artifacts([package("x", "y"), package(name="q")])
    assert artifacts.add(artifact("test", "before")) == []
    assert artifacts.add(artifact("bin", "x", test=False)) == []
    assert artifacts.add(artifact("bench", "between")) == []
    assert names(artifacts.add(artifact("test", "other", package="q"))) == ["other"]
    assert names(artifacts.add(artifact("bin", "y", test=False))) == ["before", "between"]
    assert names(artifacts.add(artifact("test", "after"))) == ["after"]
    assert artifacts.programs == {"id-p": {"x": "/t/x", "y": "/t/y"}}


def test_rg4_what_waits_in_vain_is_released_at_the_end():
    artifacts = Artifacts([package("x")])
    artifacts.add(artifact("test", "t"))
    assert names(artifacts.finish()) == ["t"]
    assert artifacts.finish() == []


def test_rg4_a_program_that_is_not_known_is_an_error():
    with pytest.raises(InfrastructureError, match="has built z"):
        Artifacts([package("x")]).add(artifact("bin", "z", test=False))


def test_rg4_other_packages_and_libraries_are_passed_over():
    artifacts = Artifacts([package("x")])
    assert artifacts.add(artifact("bin", "z", test=False, package="unknown")) == []
    assert artifacts.add(artifact("lib", "p", test=False, executable=False)) == []
    assert parse_message(b"Hello from a macro") is None


def test_what_build_scripts_say_is_kept():
    line = {
        "reason": "build-script-executed",
        "package_id": "id-p",
        "linked_paths": ["native=/t/out", "/usr/lib"],
        "env": [["A", "b"]],
        "out_dir": "/t/out",
    }
    artifacts = Artifacts([package()])
    artifacts.add(parse_message(json.dumps(line).encode()))
    assert artifacts.scripts["id-p"].env == (("A", "b"),)
    assert list(artifacts.linked) == ["/t/out", "/usr/lib"]


def test_targets_with_a_main_of_their_own_are_found_by_name_and_by_path(tmp_path):
    (tmp_path / "Cargo.toml").write_text(
        '[[test]]\nname = "a"\nharness = false\n[[bench]]\nname = "b"\n[lib]\nharness = false\n'
        '[[test]]\npath = "tests/d.rs"\nharness = false\n'
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "d.rs").touch()
    own = Package(
        "my-p", "1.0.0", "id", str(tmp_path / "Cargo.toml"), (Target("d", ("test",), str(tmp_path / "tests/d.rs")),)
    )
    assert without_harness(own) == {("test", "a"), ("lib", "my_p"), ("test", "d")}
    assert without_harness(package()) == set()
