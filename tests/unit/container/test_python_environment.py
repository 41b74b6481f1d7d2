"""What of this machine an interpreter needs, decided from what it says about itself."""

import json

import msgspec
import pytest

from maelstrom_container.python_environment import plan_environment
from maelstrom_container.python_probe import PythonInfo
from maelstrom_core.errors import SpecError


@pytest.fixture
def home(tmp_path):
    """Make a home directory with an interpreter, a virtual environment in a project, and a library being edited."""
    home = (tmp_path / "home").resolve()
    for name in ("pythons/3.12.1/bin", "pythons/3.12.1/lib/python3.12", "library/src/library", "library/.git"):
        (home / name).mkdir(parents=True)
    for name in ("work/.venv/bin", "work/.venv/lib/python3.12/site-packages", "work/src"):
        (home / name).mkdir(parents=True)
    (home / "pythons/3.12.1/bin/python3.12").write_text("")
    (home / "pythons/3.12").symlink_to("3.12.1")
    (home / "work/.venv/bin/python").symlink_to(home / "pythons/3.12/bin/python3.12")
    (home / "work/.venv/pyvenv.cfg").write_text("")
    return home


def info(home, **changes):
    base, venv = home / "pythons/3.12.1", home / "work/.venv"
    site = str(venv / "lib/python3.12/site-packages")
    values = PythonInfo(
        version=(3, 12, 1),
        implementation="cpython",
        cache_tag="cpython-312",
        executable=str(venv / "bin/python"),
        real_executable=str(base / "bin/python3.12"),
        prefix=str(venv),
        base_prefix=str(home / "pythons/3.12"),
        exec_prefix=str(venv),
        base_exec_prefix=str(home / "pythons/3.12"),
        stdlib=str(base / "lib/python3.12"),
        platstdlib=str(base / "lib/python3.12"),
        purelib=site,
        platlib=site,
        path=(str(base / "lib/python3.12"), site),
        site_packages=(site,),
        user_site=None,
        editable=(),
        direct_urls=(),
    )
    return msgspec.structs.replace(values, **changes)


def sources(shown, home):
    return [tree.source.removeprefix(str(home) + "/") for tree in shown.trees]


def test_environment_and_its_base_are_shown_at_their_real_paths(home):
    shown = plan_environment(info(home), homes=(str(home),))
    assert sources(shown, home) == ["pythons/3.12.1", "work/.venv"]
    assert all(tree.source == tree.target for tree in shown.trees)


def test_symlinks_on_the_way_to_the_executable_resolve(home):
    shown = plan_environment(info(home), homes=(str(home),))
    assert shown.links[str(home / "pythons/3.12")] == "3.12.1"


def test_editable_install_shows_the_project_without_version_control(home):
    direct = json.dumps({"url": f"file://{home}/library", "dir_info": {"editable": True}})
    mapping = (str(home / "library/src/library"),)
    shown = plan_environment(info(home, direct_urls=(direct,), editable=mapping), homes=(str(home),))
    assert sources(shown, home) == ["library", "pythons/3.12.1", "work/.venv"]
    assert shown.trees[0].hidden == (".git",)


def test_what_is_not_editable_or_not_local_adds_nothing(home):
    texts = (
        json.dumps({"url": f"file://{home}/library", "dir_info": {}}),
        json.dumps({"url": "https://example.org/x", "vcs_info": {"vcs": "git"}}),
        "no json",
    )
    assert "library" not in sources(plan_environment(info(home, direct_urls=texts), homes=(str(home),)), home)


def test_directories_of_pth_files_are_shown(home):
    path = (*info(home).path, str(home / "library/src"))
    assert "library/src" in sources(plan_environment(info(home, path=path), homes=(str(home),)), home)


def test_environment_inside_its_own_editable_project_stays_visible(home):
    direct = json.dumps({"url": f"file://{home}/work", "dir_info": {"editable": True}})
    shown = plan_environment(info(home, direct_urls=(direct,)), homes=(str(home),))
    assert sources(shown, home) == ["work", "pythons/3.12.1", "work/.venv"]
    assert shown.trees[0].hidden == (".venv",)


def test_zip_archives_on_the_path_are_single_files(home):
    (home / "bundle.zip").write_text("")
    shown = plan_environment(info(home, path=(str(home / "bundle.zip"),)), homes=(str(home),))
    assert shown.files == (str(home / "bundle.zip"),)


def test_directories_of_the_host_layer_are_left_to_it(home):
    shown = plan_environment(info(home), homes=(), host_directories=(str(home / "pythons"),))
    assert sources(shown, home) == ["work/.venv"]
    assert str(home / "pythons/3.12") not in shown.links


def test_home_directory_on_the_path_is_refused(home):
    with pytest.raises(SpecError, match="home directory"):
        plan_environment(info(home, path=(str(home),)), homes=(str(home),))


def test_editable_project_that_is_the_home_directory_is_narrowed_to_its_package(home):
    direct = json.dumps({"url": f"file://{home}", "dir_info": {"editable": True}})
    mapping = (str(home / "library/src/library"),)
    shown = plan_environment(info(home, direct_urls=(direct,), editable=mapping), homes=(str(home),))
    assert "library/src/library" in sources(shown, home)


def test_prefix_that_is_the_home_directory_is_narrowed_to_its_parts(home):
    base = home / "pythons/3.12.1"
    shown = plan_environment(info(home, prefix=str(base), exec_prefix=str(base)), homes=(str(base),))
    assert str(base) not in [tree.source for tree in shown.trees]
    assert {"pythons/3.12.1/bin", "pythons/3.12.1/lib/python3.12"} <= set(sources(shown, home))
