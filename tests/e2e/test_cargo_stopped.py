"""cargo-maelstrom: what is left when it is stopped, by ^C or by kill -9, while cargo builds or tests run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.cargo import CARGO, cargo_environment
from tests.support.interrupting import interrupt
from tests.support.programs import PATIENCE, Programs, alive, descendants, eventually, sleepers, write_project

SLEEPS = {
    "Cargo.toml": '[package]\nname = "sleeps"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ndoctest = false\n',
    "build.rs": """\
fn main() {
    println!("cargo:rerun-if-env-changed=SLOW_BUILD");
    if std::env::var("SLOW_BUILD").is_ok() {
        std::process::Command::new("sleep").arg("44444").status().unwrap();
    }
}
""",
    "src/lib.rs": """\
#[test] fn quick() {}
#[test] fn sleeps() { std::process::Command::new("sleep").arg("54322").status().unwrap(); }
""",
}
SLOWLY = {"SLOW_BUILD": "yes"}


@pytest.fixture(scope="module")
def sleeping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cargo_environment()
    return write_project(tmp_path_factory.mktemp("sleeps"), SLEEPS)


def test_ctrl_c_while_tests_run_says_which(programs: Programs, sleeping: Path):
    environment = cargo_environment()
    # of a test that has just ended one may not know yet when the next one sleeps
    screen = interrupt(programs, CARGO, "--slots=1", sleeper="54322", shown="1 ok", cwd=sleeping, env=environment)
    assert "    sleeps sleeps: was running" in screen
    assert "Successful Tests: 1" in screen


def test_ctrl_c_ends_the_build(programs: Programs, sleeping: Path):
    screen = interrupt(programs, CARGO, sleeper="44444", cwd=sleeping, env={**cargo_environment(), **SLOWLY})
    assert "Successful Tests: 0" in screen


def test_kill_9_ends_the_build_as_well(fresh: Programs, sleeping: Path):
    with fresh.start(CARGO, cwd=sleeping, env={**cargo_environment(), **SLOWLY}) as process:
        assert eventually(lambda: sleepers(process.pid, "44444"))
        below = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert eventually(lambda: not any(map(alive, below)))
