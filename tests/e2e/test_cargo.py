"""cargo-maelstrom: a workspace with everything that `cargo test` runs gets the verdicts of `cargo test`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cargo import CARGO, cargo_environment
from tests.support.images import Image, tar, write_layout
from tests.support.programs import Done, Programs, write_project

WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["alpha", "beta"]\nresolver = "2"\n[profile.dev]\ndebug = 0\n',
    "alpha/Cargo.toml": """\
[package]
name = "alpha"
version = "0.1.2"
edition = "2021"
[[test]]
name = "custom"
harness = false
[features]
more = []
""",
    "alpha/build.rs": """\
fn main() {
    println!("cargo:rustc-env=FROM_BUILD=yes");
    println!("cargo:rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(std::path::Path::new(&out).join("made"), "made").unwrap();
}
""",
    "alpha/src/lib.rs": """\
//! ```
//! assert_eq!(alpha::two(), 2);
//! ```
pub fn two() -> u32 { 2 }
#[cfg(test)]
mod tests {
    #[test] fn passes() { println!("nobody sees this"); }
    #[test] fn fails() { println!("on stdout"); eprintln!("on stderr"); assert_eq!(super::two(), 3, "not three"); }
    #[test] #[should_panic] fn panics() { panic!("as it should"); }
    #[test] #[should_panic(expected = "other")] fn panics_wrongly() { panic!("this"); }
    #[test] #[ignore = "too slow"] fn left_out() {}
    #[test] fn exits() { std::process::exit(0); }
    #[test] fn result() -> Result<(), String> { Err("bad".into()) }
    #[cfg(feature = "more")]
    #[test] fn with_feature() {}
}
""",
    "alpha/src/main.rs": 'fn main() { println!("hello from alpha"); }\n#[test] fn in_main() {}\n',
    "alpha/tests/data.txt": "data\n",
    "alpha/tests/it.rs": """\
use std::env::{current_dir, var};
#[test] fn program() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_alpha")).output().unwrap();
    assert_eq!(output.stdout, b"hello from alpha\\n");
}
#[test] fn environment() {
    assert_eq!(var("CARGO_PKG_VERSION_PATCH").unwrap(), "2");
    assert_eq!(var("CARGO_MANIFEST_DIR").unwrap(), env!("CARGO_MANIFEST_DIR"));
    assert_eq!(current_dir().unwrap().to_str().unwrap(), env!("CARGO_MANIFEST_DIR"));
    assert_eq!(var("FROM_BUILD").unwrap(), "yes");
    assert_eq!(std::fs::read_to_string(format!("{}/made", var("OUT_DIR").unwrap())).unwrap(), "made");
    assert!(var("LD_LIBRARY_PATH").unwrap().contains("/deps"));
}
#[test] fn files() {
    assert_eq!(std::fs::read_to_string("tests/data.txt").unwrap(), "data\\n");
    std::fs::write("tests/data.txt", "changed").unwrap();
    std::fs::write(format!("{}/x", env!("CARGO_TARGET_TMPDIR")), "x").unwrap();
}
""",
    "alpha/tests/custom.rs": """\
fn main() {
    assert!(std::env::args().all(|word| word != "fail"));
    if std::env::args().any(|word| word == "image") {
        assert_eq!(std::fs::read_to_string("/etc/about").unwrap(), "of the image");
        assert_eq!(std::env::var("COLOUR").unwrap(), "green");
        assert!(std::fs::metadata("/usr/bin/env").is_err(), "this is the machine");
    }
}
""",
    "beta/Cargo.toml": '[package]\nname = "beta"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ndoctest = false\n',
    "beta/src/lib.rs": "#[test] fn of_beta() {}\n",
}
VERDICTS = {
    "alpha tests::passes": "OK",
    "alpha tests::fails": "FAIL",
    "alpha tests::panics": "OK",
    "alpha tests::panics_wrongly": "FAIL",
    "alpha tests::left_out": "IGNORED",
    "alpha tests::exits": "ERR",
    "alpha tests::result": "FAIL",
    "alpha [bin/alpha] in_main": "OK",
    "alpha [it] program": "OK",
    "alpha [it] environment": "OK",
    "alpha [it] files": "OK",
    "alpha [custom]": "OK",
    "alpha [doc]": "OK",
    "beta of_beta": "OK",
}


@dataclass(frozen=True)
class Workspace:
    """A project, built by the first who runs it."""

    programs: Programs
    directory: Path

    def run(self, *arguments: str, directory: str = ".") -> Done:
        return self.programs.run(CARGO, *arguments, cwd=self.directory / directory, env=cargo_environment())


@pytest.fixture(scope="module")
def workspace(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    cargo_environment()
    directory = tmp_path_factory.mktemp("cargo")
    write_project(directory, WORKSPACE)
    return Workspace(programs, directory)


def verdicts(done: Done) -> dict[str, str]:
    found = re.findall(r"^(\S.*?)\.{3,}([A-Z]+)(?:\s+\d+\.\d+s)?$", done.out, re.MULTILINE)
    return dict(found)


def ran(workspace: Workspace, arguments: Sequence[str], code: int = 0, directory: str = ".") -> set[str]:
    return set(verdicts(workspace.run(*arguments, directory=directory).check(code)))


def test_rg2_rg3_everything_runs_and_gets_its_verdict(workspace: Workspace, tmp_path: Path):
    report = tmp_path / "report.xml"
    done = workspace.run("--workspace", f"--junit-xml={report}").check(1)
    assert verdicts(done) == VERDICTS
    assert "as cargo test counts: 4 failed, 8 passed, 1 ignored" in done.out
    assert "alpha tests::left_out: ignored (too slow)" in done.out
    lines = done.out.splitlines()
    shown = lines[next(n for n, line in enumerate(lines) if line.startswith("alpha tests::fails.")) + 1 :]
    assert shown[:2] == ["on stdout", "stderr: on stderr"]
    assert "nobody sees this" not in done.out
    assert "running 1 test" not in done.out
    assert 'classname="alpha [it]" name="files"' in report.read_text()
    assert (workspace.directory / "alpha/tests/data.txt").read_text() == "data\n"


def test_the_same_tests_are_there_that_cargo_test_runs(workspace: Workspace):
    command = ["cargo", "test", "--workspace", "--no-fail-fast", "--", "--test-threads=1", "--skip=exits"]
    native = subprocess.run(
        command,
        cwd=workspace.directory,
        env=workspace.programs.environment(cargo_environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = dict(
        re.findall(
            r"^test ([\w:]+)(?: - should panic)? \.\.\. (?:.*\n)*?.*?(ok|FAILED|ignored)", native.stdout, re.MULTILINE
        )
    )
    words = {"ok": "OK", "FAILED": "FAIL", "ignored": "IGNORED"}
    ours = {name.rpartition(" ")[2]: word for name, word in VERDICTS.items() if not name.endswith(("]", "exits"))}
    (workspace.directory / "alpha/tests/data.txt").write_text("data\n")  # natively it was changed
    assert {name: words[outcome] for name, outcome in outcomes.items()} == ours


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-p", "beta"], {"beta of_beta"}),
        (["-i", "package.equals(beta)", "--workspace"], {"beta of_beta"}),
        (["--workspace", "--exclude", "alpha"], {"beta of_beta"}),
        (["--lib", "passes"], {"alpha tests::passes"}),
        (["-p", "alpha", "--test", "it", "--", "--exact", "files"], {"alpha [it] files"}),
        (["-i", "binary", "-x", "doc"], {"alpha [bin/alpha] in_main"}),
        (["--lib", "--", "--ignored"], {"alpha tests::left_out"}),
        (["--lib", "-F", "more", "with_"], {"alpha tests::with_feature"}),
    ],
)
def test_what_is_selected_runs(workspace: Workspace, arguments: list[str], expected: set[str]):
    assert ran(workspace, arguments) == expected


def test_in_the_directory_of_a_package_its_tests_run(workspace: Workspace):
    assert ran(workspace, [], directory="beta/src") == {"beta of_beta"}


def test_a_program_with_a_main_of_its_own_is_told_what_stands_behind_the_dashes(workspace: Workspace):
    done = workspace.run("--test", "custom", "--", "fail").check(1)
    assert verdicts(done) == {"alpha [custom]": "FAIL"}
    assert "panicked at" in done.out


def test_names_are_listed_and_jobs_are_what_maelstrom_run_takes(workspace: Workspace):
    done = workspace.run("--list", "--workspace").check(0)
    assert set(done.out.splitlines()) == VERDICTS.keys()
    jobs = workspace.run("--dry-run", "--lib", "passes").check(0).out
    assert [set(json.loads(line)) & {"containers", "program"} for line in jobs.splitlines()] == [
        {"containers"},
        {"program"},
    ]
    again = workspace.programs.run("maelstrom_run", cwd=workspace.directory, stdin=jobs.encode())
    assert "test tests::passes ... ok" in again.check(0).out


def test_directives_say_how_tests_are_run(workspace: Workspace):
    file = workspace.directory / "cargo-maelstrom.toml"
    workspace.run("--init").check(0)
    assert "there is one already" in workspace.run("--init").check(2).single_message
    file.write_text('[[directives]]\nfilter = "name.equals(tests::passes)"\nignore = true\n')
    try:
        assert verdicts(workspace.run("--lib", "passes")) == {"alpha tests::passes": "IGNORED"}
    finally:
        file.unlink()


def test_in_an_image_a_binary_has_its_libraries_files_and_variables(workspace: Workspace, tmp_path: Path):
    image = Image(layers=(tar({"etc/": None, "etc/about": "of the image"}),), config={"Env": ["COLOUR=green"]})
    layout = write_layout(tmp_path / "image", {"latest": image})  # it holds no library at all
    file = workspace.directory / "cargo-maelstrom.toml"
    text = f'[[directives]]\nimage = "oci:{layout}"\n'
    file.write_text(text)
    try:
        done = workspace.run("-p", "alpha", "--test", "it").check(1)
        assert done.out.count("failed to list the tests of ") == 1
        assert "  hint: a binary uses the libraries of its image; `include_shared_libraries = true`" in done.out
        file.write_text(f"{text}include_shared_libraries = true\n")
        expected = {"alpha [it] environment", "alpha [it] files", "alpha [it] program"}
        assert ran(workspace, ["-p", "alpha", "--test", "it"]) == expected
        assert ran(workspace, ["-p", "alpha", "--test", "custom", "--", "image"]) == {"alpha [custom]"}
    finally:
        file.unlink()


def test_rg1_an_empty_project_has_an_empty_summary(programs: Programs, project: Path):
    environment = cargo_environment()
    manifest = '[package]\nname = "empty"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ndoctest = false\n'
    write_project(project, {"Cargo.toml": manifest, "src/lib.rs": ""})
    done = programs.run(CARGO, cwd=project, env=environment).check(5)
    assert re.search(r"Successful Tests: +0\nFailed Tests +: +0\n", done.out)


def test_what_does_not_compile_is_said_once(programs: Programs, project: Path):
    environment = cargo_environment()
    manifest = '[package]\nname = "broken"\nversion = "0.1.0"\nedition = "2021"\n'
    write_project(project, {"Cargo.toml": manifest, "src/lib.rs": "fn f() { nonsense }\n"})
    done = programs.run(CARGO, cwd=project, env=environment).check(2)
    assert "error[E0425]" in done.out
    assert done.single_message.startswith("cargo-maelstrom: failed to build the tests: cargo ended with exit code 101")


LOUD = """
fn loud() { for _ in 0..2000 { println!("a line of some length"); } }
#[test] fn passes() { loud() }
#[test] fn leaves() { loud(); std::process::exit(0) }
"""


def test_of_a_test_that_prints_more_than_is_kept_libtests_own_word_counts(programs: Programs, project: Path):
    environment = cargo_environment()
    manifest = '[package]\nname = "loud"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ndoctest = false\n'
    write_project(project, {"Cargo.toml": manifest, "src/lib.rs": LOUD})
    done = programs.run(CARGO, "--output-limit", "1000", cwd=project, env=environment).check(1)
    assert verdicts(done) == {"loud passes": "OK", "loud leaves": "ERR"}


def test_where_there_is_no_project_cargo_says_so(programs: Programs, project: Path):
    done = programs.run(CARGO, cwd=project, env=cargo_environment()).check(2)
    assert "could not find `Cargo.toml`" in done.err


def test_without_cargo_it_is_said_where_it_comes_from(programs: Programs, project: Path):
    done = programs.run(CARGO, cwd=project, env={"PATH": "/nowhere", "CARGO": ""}).check(2)
    assert done.single_message.startswith("cargo-maelstrom: failed to find cargo: it is not on PATH")
