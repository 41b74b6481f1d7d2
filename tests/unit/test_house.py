"""The rules of the house that a machine can check: layout, import directions, sizes, documentation that stays true."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
SETTINGS = tomllib.loads((HOUSE / "pyproject.toml").read_text())
ROOTS = SETTINGS["tool"]["setuptools"]["packages"]["find"]["where"]
OTHER_FOLDERS = {"ci", "docs", "examples", "tests"}
GENERATED = {"_launch.c", "_ring.c"}
LIMIT = 400
EXCUSE = f"over {LIMIT} lines because"

# the behaviours that tests or pages have to speak of, by group: first and last number
BEHAVIOURS = {"EX": (1, 70), "CA": (1, 24), "LB": (1, 24), "SU": (1, 15), "CO": (1, 15), "SP": (1, 29), "IM": (1, 15)}
BEHAVIOURS |= {
    "PA": (1, 16),
    "ME": (1, 16),
    "DB": (1, 10),
    "AP": (1, 30),
    "PY": (1, 7),
    "SC": (1, 24),
    "AG": (1, 21),
    "RG": (1, 5),
    "RO": (1, 5),
}
SINGLE_BEHAVIOURS = {"DI3", "DI4", "FS22"}

# costly to import: whoever needs one imports it where it is used
HEAVY = {
    *(
        "aiohttp",
        "asyncio",
        "concurrent.futures",
        "dataclasses",
        "elftools",
        "logging",
        "multiprocessing",
        "psutil",
        "rich",
    ),
    *("sqlite3", "ssl", "subprocess", "tempfile", "tomllib", "urllib3", "uvloop", "wcmatch"),
}


def modules(*folders):
    """Python files below these folders, by their path in the repository."""
    return {path.relative_to(HOUSE): path for folder in folders for path in sorted((HOUSE / folder).rglob("*.py"))}


def c_sources():
    found = (path for root in ROOTS for path in (HOUSE / root).rglob("*.[ch]"))
    return {path.relative_to(HOUSE): path for path in found if path.name not in GENERATED}


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(HOUSE / root) for root in ROOTS)}


def python(*arguments):
    """Run this Python with the sources importable; return what it did."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=HOUSE, env=environment(), capture_output=True, text=True, check=False
    )


def test_top_level_folders_are_those_of_the_plan():
    made_by_tools = {"build"}
    found = {path.name for path in HOUSE.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    found = {name for name in found if not name.endswith(".egg-info")}
    assert found - made_by_tools <= {*ROOTS, *OTHER_FOLDERS}


def test_packages_carry_a_name_that_shadows_nobody():
    packages = {path.parent.name for root in ROOTS for path in (HOUSE / root).glob("*/__init__.py")}
    assert packages
    assert {name for name in packages if not re.fullmatch(r"maelstrom_\w+|cargo_maelstrom", name)} == set()


def test_typed_packages_say_so():
    packages = {path.parent for root in ROOTS for path in (HOUSE / root).glob("*/__init__.py")}
    assert {str(package) for package in packages if not (package / "py.typed").exists()} == set()


def test_imports_run_down_the_layers_only():
    checked = python("-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_package_is_under_the_import_rules_and_type_checked():
    packages = {path.parent.name for root in ROOTS for path in (HOUSE / root).glob("*/__init__.py")}
    assert packages - set(SETTINGS["tool"]["importlinter"]["root_packages"]) == set()
    assert packages - set(SETTINGS["tool"]["mypy"]["packages"]) == set()


def test_every_module_says_what_it_is_for():
    silent = [
        str(name)
        for name, path in modules(*ROOTS, "ci", "tests").items()
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_every_c_source_says_what_it_is_for():
    assert [str(name) for name, path in c_sources().items() if not path.read_text().startswith("/*")] == []


def test_a_module_of_more_than_400_lines_says_why():
    long = []
    for name, path in {**modules(*ROOTS, "ci", "tests"), **c_sources()}.items():
        text = path.read_text()
        head = text.split("*/", 1)[0] if path.suffix in {".c", ".h"} else ast.get_docstring(ast.parse(text)) or ""
        if text.count("\n") > LIMIT and EXCUSE not in " ".join(head.split()):
            long.append(f"{name}: {text.count(chr(10))} lines")
    assert long == []


def behaviours(text):
    """The ids that a text names: EX7, `ex7_ex8`, and the ranges EX4-EX11, `ex4_to_ex11`, "EX1 to 24"."""
    found = set()
    for group, first, last in re.findall(
        r"(?<![A-Z0-9])([A-Z]{2})(\d+)(?:(?:-|_TO_|\sTO\s)(?:\1)?(\d+))?(?!\d)", text.upper()
    ):
        found |= {f"{group}{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_ids_of_behaviours_are_found_in_names_and_in_sentences():
    assert behaviours("test_ex1_ex2_code") == {"EX1", "EX2"}
    assert (
        behaviours("test_ca9_to_ca11_order")
        == behaviours("CA9-11")
        == behaviours("CA9 to CA11")
        == {
            "CA9",
            "CA10",
            "CA11",
        }
    )
    assert behaviours("hex12, EX, and EX3x") == {"EX3"}


def test_every_behaviour_has_a_test_or_a_decision():
    """Behaviours are those of the catalogue: in the name, docstring or ids of a test, or on a page of decisions."""
    spoken_of = set()
    for path in modules("tests").values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                marks = " ".join(ast.unparse(mark) for mark in node.decorator_list)
                spoken_of |= behaviours(f"{node.name} {ast.get_docstring(node) or ''} {marks}")
    for page in (HOUSE / "docs" / "decisions").glob("*.md"):
        spoken_of |= behaviours(page.read_text())
    wanted = {f"{group}{number}" for group, (first, last) in BEHAVIOURS.items() for number in range(first, last + 1)}
    assert sorted((wanted | SINGLE_BEHAVIOURS) - spoken_of) == []


def test_no_test_is_without_an_assertion():
    """An assert, or a call whose name says that it checks."""
    checks = ("assert", "check", "expect", "verify", "raises", "warns", "fail", "compare")
    bare = []
    for name, path in modules("tests").items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
                names = [getattr(call, "attr", getattr(call, "id", "")) for call in calls]
                asserts = any(isinstance(inner, ast.Assert) for inner in ast.walk(node))
                if not asserts and not any(called.startswith(checks) for called in names):
                    bare.append(f"{name}: {node.name}")
    assert bare == []


def test_the_vocabulary_is_cheap_to_import():
    """Every program speaks it, `--help` included: it must not load what only a running job needs."""
    code = "import maelstrom_core.errors, maelstrom_core.job, maelstrom_core.spec, sys; print(*sys.modules)"
    loaded = python("-c", code)
    assert loaded.returncode == 0, loaded.stderr
    assert HEAVY & set(loaded.stdout.split()) == set()


@pytest.mark.parametrize(
    "package", ["maelstrom_pytest", "maelstrom_run", "maelstrom_broker", "cargo_maelstrom", "maelstrom_go_test"]
)
def test_help_is_cheap(package):
    code = f"""
import sys
sys.argv = ["program", "--help"]
from {package}.__main__ import main
try:
    code = main()
finally:
    print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert HEAVY & set(done.stderr.split()) == set()


def test_every_dependency_has_its_reason():
    project = SETTINGS["project"]
    required = [
        *project["dependencies"],
        *project["optional-dependencies"]["dev"],
        *project["optional-dependencies"]["docs"],
        *SETTINGS["build-system"]["requires"],
    ]
    names = {re.match(r"[\w.-]+", requirement).group() for requirement in required}
    page = (HOUSE / "docs" / "decisions" / "dependencies.md").read_text()
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_commands_that_documents_name_exist():
    makefile = (HOUSE / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    documents = [*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md"), *(HOUSE / "examples").rglob("*.md")]
    named = {
        name
        for path in documents
        for name in re.findall(r"(?:^ {4}|`|&& )make ([a-z-]+)", path.read_text(), re.MULTILINE)
    }
    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_links_between_documents_lead_somewhere():
    documents = [*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md"), *(HOUSE / "examples").rglob("*.md")]
    links = [(path, link) for path in documents for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())]
    assert links
    assert [f"{path.name}: {link}" for path, link in links if not (path.parent / link).exists()] == []
