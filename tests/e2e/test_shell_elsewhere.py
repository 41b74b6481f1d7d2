"""--shell and --dry-run of tests in images, beside a cluster, and of other runners than that of pytest."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from maelstrom_container.shared_libraries import find_shared_libraries
from tests.support.cargo import CARGO, cargo_environment
from tests.support.go import go_variables, needs_go
from tests.support.images import Image, write_layout
from tests.support.programs import GO_TEST, PYTEST, RUN, Programs, Terminal, eventually, write_project
from tests.support.python_image import pack_wheels, python_image
from tests.support.registry import Place, missing_tools, push

SUITE = """
import os
def test_here(): assert "OF_THE_IMAGE" not in os.environ
def test_there():
    import of_the_image
    assert (os.environ["OF_THE_IMAGE"], os.environ["MORE"]) == ("yes", "yes")
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An image with a Python and a shell."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "python-image"
    python = python_image(shared)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        archive.add(os.path.realpath("/bin/sh"), "bin/sh")
        for library in find_shared_libraries(["/bin/sh"]):
            archive.add(os.path.realpath(library), library.lstrip("/"))
    return python.but(layers=(*python.layers, buffer.getvalue()))


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    wheels = pack_wheels(tmp_path_factory.mktemp("wheels"))
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


def suite(project: Path, image: str) -> Path:
    directive = f'[[directives]]\nfilter = "name.ends_with(there)"\nimage = "{image}"\nadded_environment.MORE = "yes"\n'
    files = {"test_it.py": SUITE, "test-requirements.txt": "pytest\n", "maelstrom-pytest.toml": directive}
    return write_project(project, files)


def opened(programs: Programs, program: str, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Terminal:
    """Return a terminal on which a shell waits for what is typed."""
    terminal = Terminal(programs, program, *arguments, cwd=cwd, env=env)
    assert eventually(lambda: terminal.read() and ("history:" in terminal.text or terminal.process.poll() is not None))
    assert terminal.process.poll() is None, terminal.text
    return terminal


def typed_command(terminal: Terminal) -> str:
    """Return what runs the test, as the shell's greeting has it."""
    return next(line for line in terminal.text.splitlines() if line.startswith("    ")).strip()


def test_a_shell_is_in_the_image_that_a_directive_names(
    programs: Programs, project: Path, image: Image, pip: dict[str, str], tmp_path: Path
) -> None:
    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    (tmp_path / "registry").mkdir()
    with Place(tmp_path / "registry").registry() as address:
        push(address, "python", image)
        suite(project, f"docker://{address}/python")
        with opened(programs, PYTEST, "--shell", "test_there", cwd=project, env=pip) as terminal:
            assert "the container of test_it.py::test_there" in terminal.text
            terminal.type("stty -echo 2>/dev/null; echo $OF_THE_IMAGE:$MORE:$((6 * 7))\n")
            assert eventually(lambda: terminal.read() and "yes:yes:42\r\n" in terminal.text)
            terminal.type(f"{typed_command(terminal)}\n")
            assert eventually(lambda: terminal.read() and "1 passed" in terminal.text)
            terminal.type("exit 4\n")
            assert terminal.wait() == 4
        with opened(programs, PYTEST, "--shell", "test_here", cwd=project, env=pip) as terminal:
            terminal.type("echo [$OF_THE_IMAGE]; exit\n")
            terminal.wait()
            assert "[]\r\n" in terminal.text


def test_the_jobs_of_tests_in_images_can_be_written_down_and_run(
    programs: Programs, project: Path, image: Image, pip: dict[str, str], tmp_path: Path
) -> None:
    suite(project, f"oci:{write_layout(tmp_path / 'image', {'': image})}")
    written = programs.run(PYTEST, "--dry-run", cwd=project, env={**pip, "PYTEST_SECRET": "hidden"}).check(0)
    assert "hidden" not in written.out
    jobs = project / "jobs.json"
    jobs.write_text(written.out)
    options = ("--cache-root", str(programs.cache))
    done = programs.run(RUN, *options, "--file", str(jobs), cwd=project).check(0)
    assert done.out.count("1 passed") == 2


def test_a_shell_is_here_whatever_cluster_there_is(programs: Programs, project: Path) -> None:
    """The broker is not even asked: it may be out of reach."""
    write_project(project, {"test_it.py": "def test_it(): pass\n"})
    arguments = ("--broker", "localhost:1", "--no-local", "--shell", "test_it")
    with opened(programs, PYTEST, *arguments, cwd=project, env={}) as terminal:
        assert terminal.text.count("it is on this machine: a cluster carries no terminals") == 1
        terminal.type("exit 3\n")
        assert terminal.wait() == 3


@needs_go
def test_a_shell_where_a_test_of_go_runs(programs: Programs, project: Path) -> None:
    write_project(
        project,
        {
            "go.mod": "module example.com/shell\ngo 1.21\n",
            "sub/a_test.go": 'package sub\nimport "testing"\nfunc TestA(t *testing.T) { t.Log("heard") }\n'
            "func TestB(t *testing.T) {}\n",
            "maelstrom-go-test.toml": '[[directives]]\nadded_environment.MORE = "yes"\n',
        },
    )
    with opened(programs, GO_TEST, "./...", "--shell", "TestA", cwd=project, env=go_variables()) as terminal:
        assert "the container of example.com/shell/sub TestA" in terminal.text
        terminal.type(f"stty -echo; echo $PWD:$MORE; {typed_command(terminal)}; touch made; exit 5\n")
        assert terminal.wait() == 5
        assert f"{project}/sub:yes\r\n" in terminal.text
        assert "PASS" in terminal.text
    assert not (project / "sub" / "made").exists()
    with Terminal(programs, GO_TEST, "./...", "--shell", "TestC", cwd=project, env=go_variables()) as terminal:
        assert terminal.wait() == 2
        assert "there is no test TestC" in terminal.text
    done = programs.run(GO_TEST, "--shell", "TestA", "--list", cwd=project, env=go_variables()).check(2)
    assert "--shell and --list exclude each other" in done.err


def test_a_shell_where_a_test_of_cargo_runs(programs: Programs, project: Path) -> None:
    environment = cargo_environment()
    write_project(
        project,
        {
            "Cargo.toml": '[package]\nname = "alpha"\nversion = "0.1.0"\nedition = "2021"\n[profile.dev]\ndebug = 0\n',
            "src/lib.rs": '#[cfg(test)]\nmod tests {\n    #[test] fn one() { println!("heard"); }\n'
            "    #[test] fn other_one() {}\n}\n",
        },
    )
    with opened(programs, CARGO, "--lib", "--shell", "one", cwd=project, env=environment) as terminal:
        assert "the container of alpha tests::one" in terminal.text
        terminal.type(f"stty -echo; {typed_command(terminal)}; exit 5\n")
        assert terminal.wait() == 5
        assert "\nheard\r\n" in terminal.text
        assert "1 passed" in terminal.text
