"""Suites in containers of an image, through maelstrom-pytest: what tests see, what is installed, and how often."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.images import Image, write_layout
from tests.support.programs import PATIENCE, PYTEST, Done, Programs, alive, descendants, eventually, write_project
from tests.support.python_image import Index, pack_wheels, python_image, serving_wheels, write_wheel
from tests.support.registry import Place, missing_tools, push

SUITE = {
    "test-requirements.txt": "pytest\nmsgspec\ntool\n",
    "helper.py": "ANSWER = 42\n",
    "test_image.py": """
        import os
        import subprocess
        import sys

        import pytest

        from helper import ANSWER

        def test_what_pip_has_installed_and_what_the_image_has():
            import msgspec
            import of_the_image
            import tool

            assert msgspec.json.decode(b"[1]") == [1]  # compiled
            assert msgspec.__file__.startswith(sys.prefix + "/")
            assert of_the_image.WORD == "from the image"
            assert subprocess.run(["tool"], capture_output=True, check=True).stdout == b"tool says hello\\n"

        def test_interpreter_and_environment():
            assert sys.prefix == os.environ["VIRTUAL_ENV"]
            assert sys.base_prefix == "/usr/local"
            told = subprocess.check_output(["python", "-c", "import sys; print(sys.prefix)"], text=True)
            assert told.strip() == sys.prefix
            assert os.environ["OF_THE_IMAGE"] == "yes"
            assert "OURS" not in os.environ
            assert os.environ["PYTEST_OURS"] == "carried"

        def test_machine_and_project():
            assert not os.path.exists("/usr/bin/env")
            assert os.getcwd() == os.path.dirname(__file__) == PROJECT
            assert ANSWER == 42

        @pytest.mark.parametrize("number", range(3))
        def test_nothing_is_left_behind(number, tmp_path):
            assert not os.path.exists("/tmp/left")
            open("/tmp/left", "w").close()
            open("left", "x").close()

        def test_fails():
            assert ANSWER == 43

        @pytest.mark.skip(reason="later")
        def test_skipped():
            pass

        @pytest.mark.xfail(strict=True)
        def test_expected():
            raise OSError
        """,
}
COUNTS = "as pytest counts: 1 failed, 6 passed, 1 skipped, 1 xfailed"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for what is made once for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "python-image"


@pytest.fixture(scope="module")
def image(shared: Path) -> Image:
    return python_image(shared)


@pytest.fixture(scope="module")
def layout(image: Image, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"oci:{write_layout(tmp_path_factory.mktemp('image') / 'image', {'': image})}"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = pack_wheels(tmp_path_factory.mktemp("wheels"))
    write_wheel(
        directory, "tool", {"tool.py": "def main():\n    print('tool says hello')\n"}, scripts="tool = tool:main"
    )
    write_wheel(directory, "other", {"other.py": "\n"})
    return directory


@pytest.fixture
def index(wheels: Path) -> Iterator[Index]:
    with serving_wheels(wheels) as index:
        yield index


@pytest.fixture
def suite(project: Path) -> Path:
    files = {name: text.replace("\n        ", "\n") for name, text in SUITE.items()}
    files["test_image.py"] = files["test_image.py"].replace("PROJECT", repr(str(project)))
    return write_project(project, files)


def run(programs: Programs, project: Path, image: str, wheels: Path, *words: str, **env: str) -> Done:
    """Run the tests of a project in an image, with wheels of a directory only."""
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    return programs.run(PYTEST, "--image", image, *words, cwd=project, env={**pip, **env})


def installed(cache: Path) -> list[Path]:
    """Return the layers with what pip has installed."""
    return sorted((cache / "layers" / "blake3" / "layer").glob("*/.maelstrom/python.json"))


OPTIONS = [(), ("--no-template", "-k", "nothing_is or fails or interpreter"), ("--isolation", "auto")]


@pytest.mark.parametrize("options", OPTIONS, ids=["templates", "cold", "auto"])
def test_verdicts_are_those_of_the_image(
    programs: Programs, suite: Path, layout: str, wheels: Path, options: tuple[str, ...]
):
    report = suite.parent / "report.xml"
    words = (*options, "--junit-xml", str(report))
    done = run(programs, suite, layout, wheels, *words, OURS="1", PYTEST_OURS="carried").check(1)
    assert "start an interpreter each" not in done.out  # all could be forked
    cases = {case.get("name"): case for case in ET.parse(report).getroot().iter("testcase")}
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["test_fails"]
    if "-k" not in options:
        assert COUNTS in done.out
        assert cases["test_skipped"].find("skipped") is not None
    assert sorted(path.name for path in suite.iterdir()) == sorted(SUITE)


def test_py7_projects_with_equal_requirements_share_what_was_installed_once(
    programs: Programs, project: Path, layout: str, wheels: Path
):
    cache = project.parent / "cache"
    words = ("--cache-root", str(cache))
    links = project / "links"
    links.symlink_to(wheels)
    for name in ("one", "two"):
        directory = write_project(project / name, {"test_x.py": "def test(): import pluggy\n"})
        (directory / "test-requirements.txt").write_text("pytest\n")
        run(programs, directory, layout, links, *words).check(0)
        links.unlink(missing_ok=True)  # from now on pip would find nothing
    assert len(installed(cache)) == 1
    (project / "two" / "test-requirements.txt").write_text("pytest\nother\n")
    (project / "two" / "test_x.py").write_text("def test(): import other\n")
    run(programs, project / "two", layout, links, *words).check(2)
    links.symlink_to(wheels)
    run(programs, project / "two", layout, links, *words).check(0)
    assert len(installed(cache)) == 2
    assert list((cache / "layers" / "tmp").iterdir()) == []


def test_runs_at_once_install_once_and_downloads_are_kept(programs: Programs, project: Path, layout: str, index: Index):
    write_project(project, {"requirements-test.txt": "pytest\n", "test_x.py": "def test(): pass\n"})
    cache = project.parent / "cache"
    words = ("--cache-root", str(cache), "--image", layout)
    env = {"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": "127.0.0.1"}  # pip keeps nothing else that came without TLS
    with (
        programs.start(PYTEST, *words, cwd=project, env=env) as first,
        programs.start(PYTEST, *words, cwd=project, env=env) as second,
    ):
        for process in (first, second):
            out, err = process.communicate(timeout=PATIENCE)
            assert (process.returncode, err) == (0, b""), out
    assert len(installed(cache)) == 1
    assert len(index.served) == len(set(index.served)) >= 4
    (project / "requirements-test.txt").write_text("pytest\nother\n")
    index.served.clear()
    programs.run(PYTEST, *words, cwd=project, env=env).check(0)
    assert index.served == ["other-1-py3-none-any.whl"]


def test_an_interrupt_while_pip_downloads_leaves_nothing(programs: Programs, project: Path, layout: str, index: Index):
    write_project(project, {"test-requirements.txt": "pytest\n", "test_x.py": "def test(): pass\n"})
    index.hang = "pluggy"
    cache = project.parent / "cache"
    words = ("--cache-root", str(cache), "--image", layout)
    with programs.start(PYTEST, *words, cwd=project, env={"PIP_INDEX_URL": index.url}) as process:
        assert index.hanging.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, (out, err)
    assert b"Traceback" not in err
    assert installed(cache) == []
    assert list((cache / "layers" / "tmp").iterdir()) == []


@pytest.mark.parametrize("moment", ["making the environment", "downloading"])
def test_kill_9_while_requirements_are_installed_leaves_nothing_and_the_next_run_works(
    programs: Programs, project: Path, layout: str, index: Index, moment: str
):
    write_project(project, {"test-requirements.txt": "pytest\n", "test_x.py": "def test(): import pluggy\n"})
    index.hang = "pluggy"
    cache = project.parent / "cache"
    words = ("--cache-root", str(cache), "--image", layout)
    env = {"PIP_INDEX_URL": index.url}
    with programs.start(PYTEST, *words, cwd=project, env=env) as process:
        if moment == "downloading":
            assert index.hanging.wait(PATIENCE)
        else:
            assert eventually(lambda: list(cache.glob("layers/tmp/*/.maelstrom/python/pyvenv.cfg")))
        os.kill(process.pid, signal.SIGSTOP)  # or it would go on forking while we look
        below = descendants(process.pid)
        assert len(below) > 3
        process.kill()
        process.communicate(timeout=PATIENCE)
    assert eventually(lambda: not any(alive(pid) for pid in below))
    assert installed(cache) == []
    index.hang = ""
    index.over.set()
    assert "Successful Tests: 1" in programs.run(PYTEST, *words, cwd=project, env=env).check(0).out
    assert len(installed(cache)) == 1
    assert list((cache / "layers" / "tmp").iterdir()) == []


@pytest.mark.parametrize("victim", ["pip", "python"])
def test_who_installs_can_be_killed(programs: Programs, project: Path, layout: str, index: Index, victim: str):
    """As the kernel does where memory is short."""
    write_project(project, {"test-requirements.txt": "pytest\n", "test_x.py": "def test(): pass\n"})
    index.hang = "pluggy"
    cache = project.parent / "cache"
    words = ("--cache-root", str(cache), "--image", layout)
    with programs.start(PYTEST, *words, cwd=project, env={"PIP_INDEX_URL": index.url}) as process:
        assert index.hanging.wait(PATIENCE)
        (pip,) = [pid for pid in descendants(process.pid) if b"\0install\0" in command_line(pid)]
        os.kill(pip if victim == "pip" else parent(pip), signal.SIGKILL)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, err
    assert b"Traceback" not in err
    assert b"failed to install the requirements of" in err
    assert f"{'pip' if victim == 'pip' else 'it'} was killed by SIGKILL".encode() in err
    assert b"short of memory" in err
    assert installed(cache) == []
    assert list((cache / "layers" / "tmp").iterdir()) == []


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_what_pip_has_to_say_when_it_fails(programs: Programs, project: Path, layout: str, wheels: Path):
    write_project(project, {"wanted.txt": "no-such-thing>=3\n", "test_x.py": ""})
    done = run(programs, project, layout, wheels, "--requirements", "wanted.txt").check(2)
    assert f"failed to install the requirements of {project}/wanted.txt in the image {layout}: pip says" in done.err
    assert "No matching distribution found for no-such-thing>=3" in done.err
    assert "  hint: mend the requirements, or tell pip more with --pip-options" in done.err
    assert "Traceback" not in done.err
    assert list((programs.cache / "layers" / "tmp").iterdir()) == []


def test_without_pytest_in_image_and_requirements(programs: Programs, project: Path, layout: str, wheels: Path):
    write_project(project, {"test_x.py": "", "test-requirements.txt": "tool\n"})
    version = ".".join(map(str, sys.version_info[:3]))
    done = run(programs, project, layout, wheels).check(2)
    path, where = f"{project}/test-requirements.txt", f"the image {layout} (Python {version})"
    assert done.single_message == (
        f"maelstrom-pytest: failed to find pytest in {where}, nor in what {path} asks for\n"
        f"  hint: write `pytest` into {path}, or name files of requirements with --requirements\n"
    )
    (project / "test-requirements.txt").unlink()
    done = run(programs, project, layout, wheels).check(2)
    assert f"failed to find pytest in {where}\n" in done.single_message
    done = run(programs, project, layout, wheels, "--requirements", "missing.txt").check(2)
    assert f"failed to find the requirements missing.txt in {project}" in done.single_message
    done = run(programs, project, layout, wheels, "--python", "python2").check(2)
    assert "failed to look at the Python of the image" in done.single_message
    assert "failed to execute python2: No such file or directory" in done.single_message


BACKEND = """
import os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    raise NotImplementedError

def build_editable(directory, config_settings=None, metadata_directory=None):
    name = "mine-1-py3-none-any.whl"
    files = {
        "mine.pth": os.path.abspath("src") + "\\n",
        "mine-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\n",
        "mine-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        names = [*files, "mine-1.dist-info/RECORD"]
        wheel.writestr(names[-1], "".join(each + ",,\\n" for each in names))
    open("left_by_the_build", "w").close()
    return name
"""


def test_a_project_that_says_itself_how_it_is_built_and_tested(
    programs: Programs, project: Path, layout: str, wheels: Path
):
    write_project(
        project,
        {
            "pyproject.toml": """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "mine"
version = "1"
[dependency-groups]
base = ["tool"]
test = ["pytest", {include-group = "base"}]
""",
            "backend.py": BACKEND,
            "src/mine/__init__.py": "WORD = 'mine'\n",
            "tests/test_mine.py": """
from importlib.metadata import version
import mine, tool
def test(): assert (mine.WORD, version("mine")) == ("mine", "1")
""",
        },
    )
    run(programs, project, layout, wheels).check(0)
    (project / "src" / "mine" / "__init__.py").write_text("WORD = 'changed'\n")
    assert "assert ('changed', '1') ==" in run(programs, project, layout, wheels, "tests").check(1).out
    assert not (project / "left_by_the_build").exists()


def test_image_of_a_registry_with_tag_lock_and_configuration(
    programs: Programs, suite: Path, image: Image, wheels: Path, tmp_path: Path
):
    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    directory = tmp_path / "registry"
    directory.mkdir()
    with Place(directory).registry() as address:
        push(address, "python", image)
        configuration = tmp_path / "config.toml"
        configuration.write_text(f'image = "docker://{address}/python"\nrequirements = ["test-requirements.txt"]\n')
        own = ("--cache-root", str(tmp_path / "cache"))  # where nobody has put the same layer
        words = (*own, "--config-file", str(configuration), "--python", "python3", "-k", "interpreter")
        env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PYTEST_OURS": "carried"}
        done = programs.run(PYTEST, *words, cwd=suite, env=env).check(0)
        assert f"downloaded docker://{address}/python: 1 layer, " in done.out.splitlines()[0]
        lock = suite / "maelstrom-container-tags.lock"
        assert image.manifest.digest in lock.read_text()
        moved = image.but(config={"Env": [*image.config["Env"][:2], "OF_THE_IMAGE=moved"]})
        push(address, "python", moved)
        programs.run(PYTEST, *words, cwd=suite, env=env).check(0)
        done = programs.run(PYTEST, *words, "--update-image", cwd=suite, env=env).check(1)
        assert "assert 'moved' == 'yes'" in done.out
        assert moved.manifest.digest in lock.read_text()
        done = programs.run(
            PYTEST, "--config-file", "-", "--image", "docker://localhost:1/none", cwd=suite, env=env
        ).check(3)
        assert "failed to reach localhost:1" in done.single_message


def test_programs_without_an_image_import_nothing_for_them(programs: Programs, project: Path):
    write_project(project, {"test_x.py": "def test(): pass\n"})
    done = programs.run(PYTEST, cwd=project, env={"PYTHONPROFILEIMPORTTIME": "1"}).check(0)
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "maelstrom_pytest.program" in imported
    assert {"urllib3", "tomllib", "maelstrom_container.images", "maelstrom_pytest.image_build"} & imported == set()
