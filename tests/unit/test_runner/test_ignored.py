"""What a watcher passes over: compared with git itself, where git is there."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from maelstrom_test_runner.ignored import Ignored

FILES = {
    ".gitignore": "*.log\n/build/\n!keep.log\ndocs/*.html\n**/cache\n# a comment\n\n[\n",
    "sub/.gitignore": "!*.log\nsecret*\n/only_here\n",
    "sub/deep/.gitignore": "*\n!.gitignore\n!wanted.py\n",
}
PATHS = [
    "a.py",
    "a.log",
    "keep.log",
    "build/a.py",
    "src/build/a.py",
    "docs/x.html",
    "docs/more/x.html",
    "cache/a",
    "src/cache/deep/a",
    "sub/a.log",
    "sub/secret.txt",
    "sub/only_here",
    "sub/x/only_here",
    "sub/deep/a.py",
    "sub/deep/wanted.py",
    "sub/deep/x/wanted.py",
    "ü/a.py",
]


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("path", PATHS)
def test_what_git_ignores_is_ignored(root, path):
    git = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin"}
    subprocess.run(["git", "init", "-q"], cwd=root, check=True, env=git)
    asked = subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=root, check=False, env=git)
    assert asked.returncode in {0, 1}
    assert Ignored(root)(str(root / path)) == (asked.returncode == 0)


def test_what_is_ours_is_ignored(root):
    ignored = Ignored(root, [root / "report.xml"])
    assert ignored(str(root / "report.xml"))
    assert ignored(str(root / ".report.xml-0a1b"))
    assert ignored(str(root / ".git" / "index"))
    assert not ignored(str(root / "other.xml"))


def test_ap30_what_is_elsewhere_is_ignored(root):
    assert Ignored(root)(str(root.parent / "a.py"))


def test_rules_are_read_again_when_they_are_forgotten(root):
    ignored = Ignored(root)
    assert ignored(str(root / "a.log"))
    (root / ".gitignore").write_text("")
    assert ignored(str(root / "a.log"))
    ignored.forget()
    assert not ignored(str(root / "a.log"))


def test_what_is_built_is_ignored_whatever_git_says(tmp_path):
    ignored = Ignored(tmp_path, built=[tmp_path / "target"])
    assert ignored(str(tmp_path / "target" / "debug" / "x"))
    assert not ignored(str(tmp_path / "targets"))
