"""A collection is used again as long as everything that goes into it is the same."""

from __future__ import annotations

import os

import msgspec
import pytest

from maelstrom_core.spec import ProjectLayer
from maelstrom_pytest.collection_cache import KEPT, CollectionCache
from maelstrom_pytest.records import Configured
from maelstrom_pytest.session import Collection
from tests.unit.pytest_runner.builders import item, plan

CONFIGURED = Configured(
    "3.12.1", "9.0.0", "/p", None, 0, collect_only=False, continue_on_errors=False, distributed=False
)
WHOLE = Collection(CONFIGURED, (item(),), (), (), 0, 0, b"", b"", broken=False)


@pytest.fixture
def project(tmp_path):
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "tests" / "test_a.py").write_text("def test_x(): pass\n")
    return project


def cache(tmp_path, project, **more):
    shown = {"directory": str(project), "shown": (ProjectLayer(str(project)),), "installed": (str(tmp_path / "site"),)}
    return CollectionCache(tmp_path / "cache", plan(**(shown | more)))


def test_it_is_there_the_second_time(tmp_path, project):
    assert cache(tmp_path, project).load() is None
    cache(tmp_path, project).store(WHOLE)
    assert cache(tmp_path, project).load() == WHOLE


def change_file(tmp_path, project):
    (project / "tests" / "test_a.py").write_text("def test_y(): pass\n")


def touch_file(tmp_path, project):
    os.utime(project / "tests" / "test_a.py", (1, 1))


def add_file(tmp_path, project):
    (project / "data.txt").write_text("")


def remove_file(tmp_path, project):
    (project / "tests" / "test_a.py").unlink()


def install(tmp_path, project):
    (tmp_path / "site" / "plugin").mkdir(parents=True)


@pytest.mark.parametrize("change", [change_file, touch_file, add_file, remove_file, install])
def test_it_is_not_used_when_something_has_changed(tmp_path, project, change):
    cache(tmp_path, project).store(WHOLE)
    change(tmp_path, project)
    assert cache(tmp_path, project).load() is None


def test_the_last_one_is_there_even_so(tmp_path, project):
    assert cache(tmp_path, project).last() is None
    cache(tmp_path, project).store(WHOLE)
    change_file(tmp_path, project)
    assert cache(tmp_path, project).last() == WHOLE
    assert cache(tmp_path, project, arguments=("-x",)).last() is None


@pytest.mark.parametrize("more", [{"arguments": ("-x",)}, {"environment": {"A": "b"}}, {"guest": "/other"}])
def test_it_belongs_to_arguments_environment_and_guest(tmp_path, project, more):
    cache(tmp_path, project).store(WHOLE)
    assert cache(tmp_path, project, **more).load() is None
    assert cache(tmp_path, project).load() == WHOLE


def test_caches_and_repositories_do_not_count(tmp_path, project):
    cache(tmp_path, project).store(WHOLE)
    for name in ("__pycache__", ".pytest_cache", ".git"):
        (project / name).mkdir()
        (project / name / "file").write_text("")
    (project / "venv").mkdir()
    (project / "venv" / "pyvenv.cfg").write_text("")
    assert cache(tmp_path, project).load() == WHOLE


def test_our_own_cache_does_not_count_where_it_lies_in_the_project(tmp_path, project):
    def inside():
        shown = plan(directory=str(project), shown=(ProjectLayer(str(project)),), installed=())
        return CollectionCache(project / "kept" / "collections", shown)

    inside().store(WHOLE)
    assert (project / "kept" / "collections").is_dir()
    assert inside().load() == WHOLE
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "kept").write_text("")
    assert inside().load() is None


def test_what_shells_note_does_not_count(tmp_path, project):
    cache(tmp_path, project, environment={"A": "b", "_": "/bin/x", "OLDPWD": "/", "SHLVL": "1"}).store(WHOLE)
    assert cache(tmp_path, project, environment={"A": "b", "_": "/bin/y", "SHLVL": "2"}).load() == WHOLE


@pytest.mark.parametrize("more", [{"broken": True}, {"status": 1}, {"items": ()}])
def test_a_collection_that_is_not_whole_is_not_remembered(tmp_path, project, more):
    cache(tmp_path, project).store(msgspec.structs.replace(WHOLE, **more))
    assert cache(tmp_path, project).load() is None


def test_what_was_damaged_is_collected_again(tmp_path, project):
    cache(tmp_path, project).store(WHOLE)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert cache(tmp_path, project).load() is None


def test_only_so_many_are_kept(tmp_path, project):
    for number in range(KEPT + 5):
        cache(tmp_path, project, arguments=(str(number),)).store(WHOLE)
    assert len(list((tmp_path / "cache").iterdir())) == KEPT
