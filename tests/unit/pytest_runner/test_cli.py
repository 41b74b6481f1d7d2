"""The command line of maelstrom-pytest: what becomes of options, and what is imported for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maelstrom_core.errors import ConfigError, UserError
from maelstrom_pytest.cli import run_cli
from maelstrom_test_runner.filters import show
from maelstrom_test_runner.shard import Shard

TREE = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("MAELSTROM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))


class Recorder:
    """Takes what a run would be given."""

    def __call__(self, config, asked):
        self.config, self.asked = config, asked
        self.arguments, self.listing = asked.arguments, asked.listing
        return 7


def parse(*arguments: str) -> Recorder:
    recorder = Recorder()
    assert run_cli(arguments, recorder) == 7
    return recorder


def test_selection_comes_first_and_what_stands_behind_the_dashes_last():
    recorder = parse("tests/a.py", "-k", "x or y", "-m", "slow", "--", "--cov", "-x", "--", "y")
    assert recorder.arguments == ("tests/a.py", "-k", "x or y", "-m", "slow", "--cov", "-x", "--", "y")


def test_options_may_stand_between_and_after_selected_files():
    recorder = parse("a.py", "--slots", "3", "b.py::test_x[--y]", "-k", "z", "-l")
    assert recorder.arguments == ("a.py", "b.py::test_x[--y]", "-k", "z")
    assert recorder.config.slots == 3
    assert recorder.listing


def test_options_become_the_configuration():
    config = parse("--isolation", "module", "-t", "2.5", "--junit-xml", "r.xml", "--stop-after", "2").config
    assert (config.isolation, config.timeout, config.stop_after) == ("module", 2.5, 2)
    assert (config.junit_xml, config.report, config.python) == (Path.cwd() / "r.xml", None, None)


def test_the_environment_and_a_file_configure_as_well(monkeypatch, tmp_path):
    file = tmp_path / "config" / "maelstrom" / "pytest" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('isolation = "class"\ntimeout = 3\n')
    monkeypatch.setenv("MAELSTROM_PYTEST_TIMEOUT", "4")
    config = parse().config
    assert (config.isolation, config.timeout) == ("class", 4.0)


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert parse().config.cache_root == tmp_path / "maelstrom"


@pytest.mark.parametrize("arguments", [["--isolation", "galaxy"], ["--slots", "0"], ["--timeout", "-1"]])
def test_values_that_are_wrong_are_the_users_to_mend(arguments):
    with pytest.raises(ConfigError, match=arguments[0]):
        run_cli(arguments, Recorder())


def test_an_unknown_option_ends_with_2(capsys):
    assert run_cli(["--no-such-option"], Recorder()) == 2
    assert "No such option" in capsys.readouterr().err


def test_help_ends_with_0(capsys):
    assert run_cli(["--help"], Recorder()) == 0
    assert 'Everything after "--" goes to pytest' in " ".join(capsys.readouterr().out.split())


def program(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    folders = [str(TREE / folder) for folder in ("core", "container", "worker", "clients")]
    return subprocess.run(
        [sys.executable, *code.split(" ", 1), *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders), "XDG_CACHE_HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_users_mistakes_are_rendered_without_a_traceback(tmp_path):
    done = program("-m maelstrom_pytest", "--python", "no-such-python", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("maelstrom-pytest: failed to find the interpreter no-such-python\n  hint: ")


def test_asyncio_is_not_imported_before_the_processes_are_forked(tmp_path):
    done = program("-c import sys, maelstrom_pytest.cli, maelstrom_pytest.program; print(*sys.modules)", cwd=tmp_path)
    loaded = set(done.stdout.split())
    assert "maelstrom_pytest.program" in loaded
    unwanted = {"asyncio", "rich", "pytest", "_pytest", "xml.etree.ElementTree", "maelstrom_worker", "sqlite3"}
    assert unwanted & loaded == set()


def test_own_selection_is_read_before_anything_runs():
    asked = parse("-i", "markers.contains(slow)", "-x", "name.eq(a)", "--lf", "--shard", "2/3").asked
    assert [show(each) for each in asked.selection.include] == ["markers.contains(slow)"]
    assert [show(each) for each in asked.selection.exclude] == ["name.equals(a)"]
    assert (asked.selection.last_failed, asked.selection.shard) == (True, Shard(2, 3))


@pytest.mark.parametrize("arguments", [["-i", "nmae.eq(x)"], ["-x", ""], ["--shard", "0/1"]])
def test_a_selection_that_cannot_be_read_is_the_users_to_mend(arguments):
    with pytest.raises(UserError, match=r"\A--"):
        run_cli(arguments, Recorder())


def test_the_file_of_a_project_is_read_from_below_it(tmp_path, monkeypatch):
    file = tmp_path / "maelstrom-pytest.toml"
    file.write_text('timeout = 7\n[[directives]]\nfilter = "all"\nuser = 3\n')
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    recorder = parse()
    assert recorder.config.timeout == 7
    assert recorder.asked.file.path == file
    assert recorder.asked.file.directives.all[0].container.user == 3


def test_init_writes_a_file_and_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recorder = Recorder()
    assert run_cli(["--init"], recorder) == 0
    assert not hasattr(recorder, "config")
    assert str(tmp_path / "maelstrom-pytest.toml") in capsys.readouterr().out
    with pytest.raises(UserError, match="there is one already"):
        run_cli(["--init"], recorder)
