"""What cargo sets for a test binary."""

from __future__ import annotations

from cargo_maelstrom.environment import Toolchain, binary_variables, configured_variables, package_variables
from cargo_maelstrom.messages import Artifacts, BuildScript, TestBinary
from cargo_maelstrom.metadata import Target
from tests.unit.cargo.test_artifacts import package

TOOLCHAIN = Toolchain("/c/cargo", "/r/toolchains/stable", "/r/lib", "/h/.cargo", "/r")


def variables(kind: str) -> dict[str, str]:
    own = package("x")
    artifacts = Artifacts([own])
    artifacts.programs = {own.id: {"x": "/t/debug/x"}}
    artifacts.scripts = {own.id: BuildScript((("A", "b"),), "/t/debug/build/p/out")}
    artifacts.linked = {"/t/debug/build/p/out": None, "/usr/lib": None}
    binary = TestBinary(own, Target("it", (kind,)), "/t/debug/deps/it-1")
    return binary_variables(binary, artifacts, TOOLCHAIN, "/t", {"LD_LIBRARY_PATH": "/own"})


def test_integration_tests_know_the_programs_and_all_what_build_scripts_say():
    found = variables("test")
    assert found["CARGO_BIN_EXE_x"] == "/t/debug/x"
    assert (found["A"], found["OUT_DIR"]) == ("b", "/t/debug/build/p/out")
    assert (found["CARGO"], found["RUSTUP_TOOLCHAIN"]) == ("/c/cargo", "stable")
    assert "CARGO_BIN_EXE_x" not in variables("lib")


def test_libraries_are_sought_where_they_are_built():
    assert variables("lib")["LD_LIBRARY_PATH"] == "/t/debug/build/p/out:/t/debug:/t/debug/deps:/r/lib:/own"


def test_a_version_has_parts():
    own = package(authors=("A", "B"), description="d")
    assert package_variables(own)["CARGO_PKG_VERSION_PATCH"] == "0"
    assert package_variables(own)["CARGO_PKG_AUTHORS"] == "A:B"
    assert package_variables(own)["CARGO_MANIFEST_DIR"] == "/w/p"


def test_tables_of_cargos_files_the_nearest_goes_first_and_the_caller_before_all(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text('[env]\nA = "home"\nB = "home"\n')
    (tmp_path / "p" / ".cargo").mkdir(parents=True)
    (tmp_path / "p" / ".cargo" / "config.toml").write_text(
        '[env]\nA = "near"\nC = "no"\nD = { value = "yes", force = true }\nE = { value = "x/y", relative = true }\n'
    )
    found = configured_variables(tmp_path / "p", str(tmp_path / "home"), {"C": "caller", "D": "caller"})
    assert found == {"A": "near", "B": "home", "D": "yes", "E": str(tmp_path / "p" / "x/y")}
