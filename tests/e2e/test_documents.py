"""The commands and files on the page about directives: others of its pages have theirs in console blocks."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.programs import PYTEST, RUN, Programs, write_project

DOCS = Path(__file__).parents[2] / "docs" / "book"
PROJECT = {
    "pyproject.toml": '[tool.pytest.ini_options]\nmarkers = ["slow", "db", "network"]\n',
    "shop/__init__.py": "",
    "shop/settings.py": "",
    "tests/api/test_users.py": """
import os, pytest

class TestLogin:
    @pytest.mark.slow
    @pytest.mark.parametrize("language", ["de"])
    def test_ok(self, language): pass

def test_ok(): pass
@pytest.mark.parametrize("number", [1])
def test_get(number): pass
@pytest.mark.network
def test_race(): pass
""",
    "tests/ui/test_pages.py": "def test_browser(): pass\n",
    "tests/compatibility/sum_test.py": "def test_sum(): pass\n",
}
NO_TESTS = 5


def commands(page: str) -> list[str]:
    """The commands of a page, once each."""
    text = (DOCS / page).read_text()
    return list(dict.fromkeys(re.findall(r"^ {4}(maelstrom-pytest(?: .*)?)$", text, re.MULTILINE)))


def shown(page: str, language: str) -> list[str]:
    """The blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


COMMANDS = [(page, command) for page in ("directives.md",) for command in commands(page)]


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[command for _page, command in COMMANDS])
def test_commands_of_pages_work(programs: Programs, project: Path, page: str, command: str):
    files = {} if "--init" in command else {"maelstrom-pytest.toml": "".join(shown("directives.md", "toml"))}
    write_project(project, {**PROJECT, **files})
    words, _, second = command.partition(" | ")
    done = programs.run(PYTEST, *shlex.split(words)[1:], cwd=project)
    assert done.code in {0, NO_TESTS}, (page, done.out, done.err)
    if second:
        programs.run(*{"maelstrom-run": (RUN,)}[second], cwd=project, stdin=done.out.encode()).check(0)


def test_pages_have_commands_and_a_file():
    assert len(COMMANDS) >= 4
    assert shown("directives.md", "toml")
