"""cargo-maelstrom: tests of a binary that share a process, and their coverage."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from cargo_maelstrom.coverage import parse_lcov
from tests.e2e.test_cargo import verdicts
from tests.support.cargo import CARGO, cargo_environment
from tests.support.programs import Programs, write_project

MANIFEST = '[package]\nname = "few"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ndoctest = false\n'
TESTS = {
    "Cargo.toml": MANIFEST + "[profile.dev]\ndebug = 0\n",
    "src/lib.rs": """\
use std::sync::atomic::{AtomicUsize, Ordering};
pub static COUNT: AtomicUsize = AtomicUsize::new(0);
pub fn sign(number: i32) -> &'static str {
    if number < 0 {
        return "minus";
    }
    "plus"
}
pub fn never() -> i32 {
    1
}
#[cfg(test)]
mod tests {
    use super::*;
    #[test] fn a_leaks() { assert_eq!(COUNT.fetch_add(1, Ordering::SeqCst), 0); }
    #[test] fn b_is_leaked_to() { assert_eq!(COUNT.fetch_add(1, Ordering::SeqCst), 0); }
    #[test] fn c_passes() { println!("test tests::d_fails ... ok"); assert_eq!(sign(1), "plus"); }
    #[test] fn d_fails() { println!("what it says"); assert_eq!(sign(-1), "plus", "no sign"); }
    #[test] #[should_panic(expected = "other")] fn e_panics_wrongly() { panic!("this"); }
    #[test] #[ignore = "later"] fn f_is_ignored() { never(); }
}
""",
    "tests/dies.rs": """\
#[test] fn a_passes() {}
#[test] fn b_exits() { std::process::exit(0); }
#[test] fn c_aborts() { std::process::abort(); }
#[test] fn d_passes() {}
""",
}
VERDICTS = {
    "few tests::a_leaks": "OK",
    "few tests::b_is_leaked_to": "OK",
    "few tests::c_passes": "OK",
    "few tests::d_fails": "FAIL",
    "few tests::e_panics_wrongly": "FAIL",
    "few tests::f_is_ignored": "IGNORED",
    "few [dies] a_passes": "OK",
    "few [dies] b_exits": "ERR",
    "few [dies] c_aborts": "FAIL",
    "few [dies] d_passes": "OK",
}


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cargo_environment()
    return write_project(tmp_path_factory.mktemp("few"), TESTS)


def jobs(report: Path) -> list[list[str]]:
    """Return the tests of each job of a run."""
    events = map(json.loads, report.read_text().splitlines())
    return [[test["name"] for test in event["tests"]] for event in events if event["event"] == "started"]


def test_company_changes_no_verdict(programs: Programs, crate: Path, tmp_path: Path):
    def run(name: str, *arguments: str):
        report = tmp_path / name
        done = programs.run(CARGO, f"--report={report}", *arguments, cwd=crate, env=cargo_environment()).check(1)
        return done, jobs(report)

    alone, of_alone = run("alone")
    assert verdicts(alone) == VERDICTS
    assert {len(members) for members in of_alone} == {1}
    auto, of_auto = run("auto", "--isolation=auto", f"--cache-root={tmp_path / 'cache'}")
    assert verdicts(auto) == VERDICTS
    assert sorted(map(len, of_auto)) == [1] * 7 + [4, 5]  # the library's failures, and all that died together
    assert "tests::b_is_leaked_to failed after 1 other tests in its process and passed alone" in auto.out
    binary, of_binary = run("binary", "--isolation=binary", "--lib", f"--cache-root={tmp_path / 'other'}")
    assert [len(members) for members in of_binary] == [5]
    lines = binary.out.splitlines()
    shown = lines.index(next(line for line in lines if line.startswith("few tests::d_fails")))
    assert lines[shown + 1] == "what it says"
    assert verdicts(binary)["few tests::b_is_leaked_to"] == "FAIL"


def test_coverage_is_that_of_cargo_test(programs: Programs, crate: Path, tmp_path: Path):
    done = programs.run(CARGO, "--coverage", "--lib", cwd=crate, env=cargo_environment())
    if "profiler_builtins" in done.out:
        pytest.skip("the rustc here was built without what programs need to count: Debian's was, rustup's was not")
    done.check(1)
    left = crate / "target" / "maelstrom-coverage"
    assert [path.name for path in left.glob("profraw-*")] == []
    if "nothing here can read the profiles" in done.out:
        assert list((left / "profraw").iterdir())
        pytest.skip(
            "there are no tools of LLVM here that can read what this rustc writes: rustup's llvm-tools are some"
        )
    assert "    src/lib.rs" in done.out
    ours = left / "lcov.info"
    covered = parse_lcov(ours.read_text())
    assert [Path(each.name).name for each in covered] == ["lib.rs"]
    assert covered[0].covered < covered[0].total
    # natively, with the same flags, and read in the same way
    environment = {
        **programs.environment(cargo_environment()),
        "CARGO_TARGET_DIR": str(left / "target"),
        "LLVM_PROFILE_FILE": str(tmp_path / "%m.profraw"),
    }
    flags = '--config=build.rustflags=["-Cinstrument-coverage"]'
    command = ["cargo", "test", "--lib", flags]
    native = subprocess.run(command, cwd=crate, env=environment, capture_output=True, check=False)
    assert native.returncode == 101, native.stderr
    assert _lines(ours.read_text()) == _lines(_read_natively(left, tmp_path, environment))


def _read_natively(left: Path, profiles: Path, environment: dict[str, str]) -> str:
    from cargo_maelstrom.coverage import profiles_in
    from cargo_maelstrom.covered import find_tools

    (program,) = [path for path in (left / "target/debug/deps").glob("few-*") if os.access(path, os.X_OK)]
    sysroot = subprocess.run(["rustc", "--print=sysroot"], env=environment, capture_output=True, check=True, text=True)
    for tools in find_tools(sysroot.stdout.strip(), environment):
        merged = str(profiles / "native.profdata")
        merge = [tools.merge, "merge", "-sparse", "-o", merged, *profiles_in(str(profiles))]
        if subprocess.run(merge, capture_output=True, check=False).returncode == 0:
            export = [tools.export, "export", "-format=lcov", f"-instr-profile={merged}", str(program)]
            return subprocess.run(export, capture_output=True, check=True, text=True).stdout
    raise AssertionError


def _lines(text: str) -> list[tuple[str, bool]]:
    """Return which lines of a tracefile were run."""
    found = (line.removeprefix("DA:").split(",") for line in text.splitlines() if line.startswith("DA:"))
    return [(number, count != "0") for number, count, *_ in found]
