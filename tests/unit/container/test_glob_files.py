"""What a glob matches, and where it does not look."""

import pytest

from maelstrom_container.glob_files import find_files
from maelstrom_core.errors import SpecError

TREE = [
    "setup.py",
    "notes.txt",
    "src/app/main.py",
    "src/app/data.json",
    "src/types.pyi",
    "foo/bar.txt",
    ".hidden/config.py",
    ".git/hook.py",
    "cache/CACHEDIR.TAG",
    "cache/made.py",
]


@pytest.fixture
def project(tmp_path):
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "loop").symlink_to(".")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("foo/*", ["foo/bar.txt"], id="lb11"),
        ("setup.py", ["setup.py"]),
        ("./setup.py", ["setup.py"]),
        ("*.json", ["src/app/data.json"]),
        ("**.{py,pyi}", [".hidden/config.py", "setup.py", "src/app/main.py", "src/types.pyi"]),
        ("**/main.py", ["src/app/main.py"]),
        ("src/**/main.py", ["src/app/main.py"]),
        ("src/app/**/main.py", ["src/app/main.py"]),
        ("src/**", ["src/app", "src/app/data.json", "src/app/main.py", "src/types.pyi"]),
        ("src/[ab]pp/main.p?", ["src/app/main.py"]),
        ("loo*", ["loop"]),
        ("{setup.py,foo}", ["foo", "setup.py"]),
        ("missing/*", []),
        ("SETUP.py", []),
    ],
)
def test_patterns(project, pattern, expected):
    assert find_files(pattern, str(project)) == expected


def test_version_control_and_caches_are_entered_only_by_name(project):
    assert find_files(".git/*.py", str(project)) == [".git/hook.py"]
    assert find_files("cache/*.py", str(project)) == ["cache/made.py"]


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", "a/../*", "{1..100000}", "**/**/**/**/**/x"])
def test_patterns_that_cannot_be_are_the_users_errors(project, pattern):
    with pytest.raises(SpecError):
        find_files(pattern, str(project))
