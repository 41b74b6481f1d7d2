"""Coverage: what cargo and tests are told, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cargo_maelstrom.arguments import Choices, build_command, doc_command, read_test_arguments
from cargo_maelstrom.config import CargoConfig
from cargo_maelstrom.coverage import (
    FLAG,
    Lines,
    Measured,
    Subject,
    build_flags,
    by_version,
    ignored_files,
    parse_lcov,
    table,
)
from cargo_maelstrom.covered import PREFIX, discard, find_tools, open_measured, report_coverage
from cargo_maelstrom.environment import Toolchain

OPTION = f'--config=build.rustflags=["{FLAG}"]'
LCOV = """\
SF:/w/src/lib.rs
FN:3,name
DA:3,1
DA:4,0
BRF:0
BRH:0
LF:4
LH:3
end_of_record
SF:/w/src/empty.rs
LF:0
LH:0
end_of_record
SF:/elsewhere/other.rs
LF:100
LH:10
end_of_record
"""


@pytest.mark.parametrize(
    ("caller", "variables", "options"),
    [
        ({}, {}, (OPTION,)),
        ({"RUSTFLAGS": "-g"}, {"RUSTFLAGS": f"-g {FLAG}"}, ()),
        ({"CARGO_ENCODED_RUSTFLAGS": "-g", "RUSTFLAGS": "x"}, {"CARGO_ENCODED_RUSTFLAGS": f"-g\x1f{FLAG}"}, ()),
        ({"CARGO_TARGET_X_RUSTFLAGS": "-g"}, {}, (OPTION.replace("build", "target.'cfg(all())'"),)),
    ],
)
def test_flags_stand_where_cargo_reads_those_that_are_there(caller, variables, options, tmp_path):
    assert build_flags(caller, tmp_path, str(tmp_path / "home")) == (variables, options)


def test_flags_for_a_target_in_a_file_of_cargo_go_before_those_for_builds(tmp_path):
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text("[target.x86_64-unknown-linux-gnu]\nrustflags = ['-g']\n")
    assert "cfg(all())" in build_flags({}, tmp_path / "p", "/none")[1][0]


def test_cargo_is_told_the_same_for_builds_and_for_documentation():
    choices = Choices(flags=(OPTION,))
    assert OPTION in build_command(CargoConfig(), choices, None, colour=False)
    assert OPTION in doc_command(CargoConfig(), choices, "p@1.0.0", read_test_arguments([], []))


def test_processes_of_a_binary_share_a_few_files():
    assert Measured("/t/d", "/t/d/p", 4).variables() == {"LLVM_PROFILE_FILE": "/t/d/p/%4m.profraw"}
    assert Measured("/t/d", "/t/d/p", 64).variables() == {"LLVM_PROFILE_FILE": "/t/d/p/%9m.profraw"}


def test_lines_are_told_by_file_and_together():
    files = parse_lcov(LCOV)
    assert files == [Lines("/w/src/lib.rs", 3, 4), Lines("/elsewhere/other.rs", 10, 100)]
    assert table(files, "/w") == [
        "src/lib.rs            75.0 %  3/4",
        "/elsewhere/other.rs   10.0 %  10/100",
        "all lines             12.5 %  13/104",
    ]


def test_files_of_others_and_tests_are_left_out():
    expression = re.compile(ignored_files("/w", "/c.argo", "/r/tool+chain", "/w/target/d/target"))
    for path in ("/w/src/lib.rs", "/w/src/tests.rs", "/w/member/src/attests/mod.rs", "/w/build/x.rs"):
        assert not expression.search(path), path
    for path in ("/w/tests/it.rs", "/w/member/benches/b.rs", "/c.argo/registry/src/a.rs", "/r/tool+chain/lib/x.rs"):
        assert expression.search(path), path
    assert expression.search("/w/target/d/target/debug/build/x/out/made.rs")
    assert expression.search("/rustc/0123abc/library/core/src/option.rs")


def test_of_programs_with_a_version_the_newest_goes_first():
    assert by_version(["llvm-cov-9", "llvm-cov-19", "llvm-cov-x", "llvm-cov"]) == ["llvm-cov-19", "llvm-cov-9"]


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_compilers_own_tools_go_before_those_on_the_path(tmp_path):
    places = [tmp_path / "root/lib/rustlib/x/bin", tmp_path / "bin"]
    for place in places:
        for name in ("llvm-profdata", "llvm-cov"):
            program(place / name, "exit 1")
    for name in ("llvm-profdata-8", "llvm-cov-8", "llvm-cov-7"):
        program(tmp_path / "bin" / name, "exit 1")
    environment = {"PATH": str(tmp_path / "bin"), "LLVM_COV": "/l/cov", "LLVM_PROFDATA": "/l/merge"}
    found = [tools.export for tools in find_tools(str(tmp_path / "root"), environment)]
    assert found == ["/l/cov", *(f"{place}/llvm-cov" for place in places), f"{tmp_path}/bin/llvm-cov-8"]


def test_what_nothing_can_read_is_kept_and_it_is_said_how_it_is_read(tmp_path):
    for name, script in (("llvm-profdata", "echo unsupported version >&2; exit 1"), ("llvm-cov", "exit 1")):
        program(tmp_path / "bin" / name, script)
    for _ in range(2):
        measured = open_measured(str(tmp_path), 1)
        Path(measured.profiles, "1.profraw").write_bytes(b"x")
        said: list[str] = []
        subject = Subject(measured, ("/t/program",), "/w", Toolchain("cargo", "/none", "", "/c"))
        report_coverage(subject, {"PATH": str(tmp_path / "bin")}, said.append)
        discard(measured)
    assert "says: unsupported version" in said[0]
    assert "rustup component add llvm-tools" in said[0]
    assert [path.name for path in (tmp_path / "maelstrom-coverage/profraw").iterdir()] == ["1.profraw"]
    assert not list((tmp_path / "maelstrom-coverage").glob(f"{PREFIX}*"))
