"""`pytest --maelstrom` where the project's file says so: in other containers, in an image, on a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.plugin.conftest import Session
from tests.support.cluster import Cluster
from tests.support.images import write_layout
from tests.support.programs import write_project
from tests.support.python_image import pack_wheels, python_image

QUIET = ("-q", "--tb=short", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "python-image"
    return f"oci:{write_layout(tmp_path_factory.mktemp('image') / 'image', {'': python_image(shared)})}"


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    wheels = pack_wheels(tmp_path_factory.mktemp("wheels"))
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


def test_directives_say_where_and_how_long_a_test_runs_and_whether(session: Session, project: Path) -> None:
    write_project(
        project,
        {
            "maelstrom-pytest.toml": """
slots = 1
[[directives]]
added_environment.TOLD = "all"
[[directives]]
filter = "name.contains(hang)"
timeout = 0.5
[[directives]]
filter = "markers.contains(later)"
ignore = true
[[directives]]
filter = "name.equals(test_child)"
parent = "strict"
[containers.strict]
enable_writable_file_system = false
""",
            "pytest.ini": "[pytest]\nmarkers = later: not now\n",
            "sub/test_a.py": """
import os, pytest, time
def test_all(): assert os.environ["TOLD"] == "all"
def test_child():
    with pytest.raises(OSError, match="Read-only"):
        open("new", "w")
def test_hangs(): time.sleep(3600)
@pytest.mark.later
def test_later(): assert 0
""",
        },
    )
    done = session.pytest("--maelstrom", *QUIET, "-rs", cwd=project / "sub").check(1)
    assert "1 failed, 2 passed, 1 skipped in" in done.out
    assert "SKIPPED [1] test_a.py:7: a directive of maelstrom-pytest.toml" in done.out
    assert "maelstrom: timed out" in done.out


def test_a_wrong_file_is_a_mistake_of_usage(session: Session, project: Path) -> None:
    write_project(project, {"maelstrom-pytest.toml": "[[directive]]\n", "test_a.py": "def test_a(): pass\n"})
    done = session.pytest("--maelstrom", *QUIET, cwd=project).check(4)
    assert "maelstrom-pytest.toml: unknown table `directive`" in done.err
    assert "Traceback" not in done.err


SOME = """
import os
def test_here(): assert "OF_THE_IMAGE" not in os.environ
def test_there():
    import of_the_image
    assert os.environ["OF_THE_IMAGE"] == "yes"
"""


def test_some_tests_run_in_an_image_and_the_others_on_this_machine(
    session: Session, project: Path, image: str, pip: dict[str, str]
) -> None:
    """Its pytest has no plugin of ours, and reads the same options."""
    directive = f'[[directives]]\nfilter = "name.ends_with(there)"\nimage = "{image}"\n'
    write_project(
        project,
        {
            "maelstrom-pytest.toml": directive,
            "pytest.ini": "[pytest]\naddopts = --maelstrom --maelstrom-slots 1\n",
            "test-requirements.txt": "pytest\n",
            "test_a.py": SOME,
        },
    )
    done = session.pytest(*QUIET, "-p", "no:randomly", cwd=project, **pip).check(0)
    assert "2 passed in" in done.out


def test_an_image_on_a_cluster(
    session: Session, project: Path, image: str, pip: dict[str, str], tmp_path: Path
) -> None:
    """Every test runs on a worker, none here: and what they report comes back as ever."""
    write_project(
        project,
        {
            "maelstrom-pytest.toml": '[[directives]]\nfilter = "name.equals(test_told)"\nadded_environment.T = "yes"\n',
            "test-requirements.txt": "pytest\n",
            "test_a.py": """
import os, sys
def test_where():
    import of_the_image
    assert os.path.dirname(__file__) == os.getcwd()
def test_told(): assert os.environ["T"] == "yes"
def test_fails():
    print("printed", file=sys.stderr)
    assert [1, 2] == [1, 3]
""",
        },
    )
    with Cluster(tmp_path) as cluster:
        cluster.start_broker()
        worker = cluster.start_worker()
        options = (f"--maelstrom-image={image}", f"--maelstrom-broker={cluster.address}", "--maelstrom-no-local")
        credentials = f"--maelstrom-credentials={cluster.credentials}"
        done = session.pytest("--maelstrom", *options, credentials, *QUIET, cwd=project, **pip).check(1)
        assert "1 failed, 2 passed in" in done.out
        assert "assert [1, 2] == [1, 3]" in done.out
        assert "Captured stderr call" in done.out
        assert list((worker.programs.cache / "fetched").glob("*")), "the worker ran nothing"
        done = session.pytest("--maelstrom", *options, "--maelstrom-credentials=nothing", *QUIET, cwd=project, **pip)
        assert done.check(4).err.count("hint: ") == 1
        assert "Traceback" not in done.err
