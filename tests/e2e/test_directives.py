"""maelstrom-pytest.toml through the program: containers, timeouts, ignored tests, and what is wrong with the file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from maelstrom_pytest.default_file import CONTENTS
from tests.e2e.test_pytest import verdicts
from tests.support.images import write_layout
from tests.support.programs import PYTEST, Done, Programs, write_project
from tests.support.python_image import pack_wheels, python_image

FILE = "maelstrom-pytest.toml"
SUITE = {
    "pytest.ini": "[pytest]\nmarkers =\n    data\n    strict\n",
    "test_it.py": """
import os, pathlib, socket, time
import pytest

AT_IMPORT = os.environ.get("EVERYWHERE")

def test_everywhere():
    assert os.environ["EVERYWHERE"] == AT_IMPORT == "yes"
    assert "HOME" in os.environ

@pytest.mark.data
class TestData:
    def test_mount(self):
        assert os.path.ismount("/data")
        assert pathlib.Path("/srv/stub.conf").read_bytes() == b""
        assert os.environ["DATA"] == "on yes"

@pytest.mark.strict
def test_strict():
    with pytest.raises(OSError):
        pathlib.Path("new").touch()
    assert [name for _, name in socket.if_nameindex()] in ([], ["lo"])
    assert os.getcwd() == "/usr"

def test_hangs():
    time.sleep(1000)

def test_ignored():
    assert 0
""",
    FILE: """
[[directives]]
added_environment = { EVERYWHERE = "yes" }

[[directives]]
filter = "markers.contains(data)"
parent = "data"
added_environment = { EVERYWHERE = "yes", DATA = "on $prev{IN_PARENT}" }

[[directives]]
filter = "markers.contains(strict)"
enable_writable_file_system = false
network = "disabled"
working_directory = "/usr"

[[directives]]
filter = "name.equals(test_hangs)"
timeout = 0.5

[[directives]]
filter = "name.ends_with(ignored)"
ignore = true

[containers.data]
added_environment = { IN_PARENT = "yes" }
parent = "base"
added_layers = [{ stubs = ["/srv/stub.conf"] }]

[containers.base]
mounts = [
    { type = "tmp", mount_point = "/data" }, { type = "tmp", mount_point = "/tmp" },
    { type = "proc", mount_point = "/proc" }, { type = "devices", devices = ["null", "urandom"] },
]
environment = { HOME = "/tmp" }
layers = [{ host = ["/usr", "/bin", "/lib", "/lib64", "/etc"] }]
""",
}


@pytest.mark.parametrize("options", [(), ("--no-template",), ("--isolation", "auto"), ("--no-collection-cache",)])
def test_me13_each_test_runs_in_the_container_that_directives_make(
    programs: Programs, project: Path, options: tuple[str, ...]
):
    write_project(project, SUITE)
    done = programs.run(PYTEST, *options, cwd=project).check(1)
    found = {name.rpartition("::")[2]: word for name, word in verdicts(done).items()}
    assert found == {
        "test_everywhere": "OK",
        "test_mount": "OK",
        "test_strict": "OK",
        "test_hangs": "TIMEOUT",
        "test_ignored": "IGNORED",
    }, done.out
    assert "test_it.py::test_ignored: ignored (a directive of maelstrom-pytest.toml)" in done.out


@pytest.mark.parametrize("options", [(), ("--no-template",)])
def test_a_test_that_hangs_is_asked_where_it_is(programs: Programs, project: Path, options: tuple[str, ...]):
    suite = "import time\ndef test_hangs():\n    wait_for_nothing()\n\ndef wait_for_nothing():\n    time.sleep(1000)\n"
    write_project(project, {"test_it.py": suite, FILE: "[[directives]]\ntimeout = 8\n"})
    done = programs.run(PYTEST, *options, cwd=project).check(1)
    assert list(verdicts(done).values()) == ["TIMEOUT"]
    assert "line 6 in wait_for_nothing\n" in done.out
    assert "line 3 in test_hangs\n" in done.out
    assert "Fatal" not in programs.run(PYTEST, *options, "-t", "1", "--timeout-grace", "0", cwd=project).check(1).out


def test_the_option_goes_before_the_timeouts_of_directives(programs: Programs, project: Path):
    hang = "import time\ndef test_hangs(): time.sleep(1000)\n"
    write_project(project, {"test_it.py": hang, FILE: "timeout = 0.2\n[[directives]]\ntimeout = 0\n"})
    assert list(verdicts(programs.run(PYTEST, cwd=project).check(1)).values()) == ["TIMEOUT"]


def test_values_of_the_projects_file_go_before_the_users_and_behind_the_command_line(programs: Programs, project: Path):
    write_project(project, {FILE: 'isolation = "class"\nretries = 3\njunit-xml = "out/r.xml"\n', "sub/x.py": ""})
    user = write_project(project.parent / "user", {"maelstrom/pytest/config.toml": 'isolation = "module"\nslots = 1\n'})
    env = {"XDG_CONFIG_HOME": str(user)}
    done = programs.run(PYTEST, "--retries", "4", "--print-config", cwd=project / "sub", env=env).check(0)
    values = tomllib.loads(done.out)
    assert (values["isolation"], values["slots"], values["retries"]) == ("class", 1, 4)
    assert values["junit-xml"] == str(project / "out/r.xml")
    assert f"# file {project / FILE}" in done.out


HERMETIC = {
    FILE: "hermetic = true\n",
    "test_it.py": """
import os, pathlib, pytest, socket

def test_alone():
    assert "SECRET" not in os.environ
    assert not os.path.exists("/etc/passwd")
    with pytest.raises(OSError):
        pathlib.Path("new").touch()
    pathlib.Path("/tmp/new").touch()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", 9), timeout=5)
    assert os.environ["CI"] == "true"
""",
}


def test_hermetic_containers_have_nothing_of_this_machine(programs: Programs, project: Path):
    write_project(project, HERMETIC)
    env = {"SECRET": "x", "CI": "true"}
    programs.run(PYTEST, cwd=project, env=env).check(0)
    assert programs.run(PYTEST, "--no-hermetic", cwd=project, env=env).check(1).out.count("FAIL")


# images


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "python-image"
    return f"oci:{write_layout(tmp_path_factory.mktemp('image') / 'image', {'': python_image(shared)})}"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_wheels(tmp_path_factory.mktemp("wheels"))


IN_IMAGE = """
import os
def test_here(): assert "OF_THE_IMAGE" not in os.environ
def test_there(): assert os.environ["OF_THE_IMAGE"] == "yes" and os.environ["MORE"] == "yes"
"""


def in_image(programs: Programs, project: Path, wheels: Path, *options: str) -> Done:
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    return programs.run(PYTEST, *options, cwd=project, env=pip)


def test_some_tests_run_in_an_image_and_the_others_on_this_machine(
    programs: Programs, project: Path, image: str, wheels: Path
):
    directive = f'[[directives]]\nfilter = "name.ends_with(there)"\nimage = "{image}"\nadded_environment.MORE = "yes"\n'
    write_project(project, {"test_it.py": IN_IMAGE, "test-requirements.txt": "pytest\n", FILE: directive})
    done = in_image(programs, project, wheels).check(0)
    assert sorted(verdicts(done).values()) == ["OK", "OK"]
    assert "2 passed" in in_image(programs, project, wheels, "--repeat", "1", "--isolation", "auto").check(0).out


def test_me7_me12_all_tests_in_the_image_of_a_parent(programs: Programs, project: Path, image: str, wheels: Path):
    text = f'[[directives]]\nparent = "old"\n[containers.old]\nimage = "{image}"\nadded_environment.MORE = "yes"\n'
    write_project(project, {"test_it.py": IN_IMAGE, "test-requirements.txt": "pytest\n", FILE: text})
    done = in_image(programs, project, wheels).check(1)
    assert verdicts(done) == {"test_it.py::test_here": "FAIL", "test_it.py::test_there": "OK"}


# --init


def test_init_writes_a_file_that_changes_nothing_and_never_writes_over_one(programs: Programs, project: Path):
    write_project(project, {"pyproject.toml": "", "sub/test_it.py": "def test_it(): pass\n"})
    done = programs.run(PYTEST, "--init", cwd=project / "sub").check(0)
    assert done.out == f"wrote {project / FILE}\n"
    assert (project / FILE).read_text() == CONTENTS
    programs.run(PYTEST, cwd=project / "sub").check(0)
    done = programs.run(PYTEST, "--init", cwd=project / "sub").check(2)
    assert "there is one already" in done.single_message
    assert "hint: " in done.err
    assert (project / FILE).read_text() == CONTENTS


# what is wrong with it

GOOD = {"test_it.py": "def test_it(): pass\n"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[directives]]\nfilter = \n", (f"{FILE}:2:10: ",)),
        ("[[directives]]\ntimeuot = 3\n", (f"{FILE}:1: directives[0]", "`timeuot`", "did you mean `timeout`?")),
        ("[[directive]]\n", ("unknown table `directive`", "did you mean `directives`?")),
        ("isolaton = 'auto'\n", ("unknown key `isolaton`", "did you mean `isolation`?")),
        ("isolation = 'galaxy'\n", (FILE, "key `isolation`", "not one of")),
        ("[[directives]]\nparent = 'bse'\n[containers.base]\n", ("container `bse`", "did you mean `base`?")),
        (
            "[containers.a]\nparent = 'b'\n[containers.b]\nparent = 'a'\n",
            ("containers.a", "b -> a -> b", "take one `parent`"),
        ),
        ("[[directives]]\nimage = 'a'\nparent = 'b'\n", ("exclude each other", "hint: ")),
        ("[[directives]]\nslots = 999\n", ("999 slots", "hint: ")),
    ],
)
def test_me2_me15_bad_files_are_one_message_with_place_and_way_out(
    programs: Programs, project: Path, text: str, words: tuple[str, ...]
):
    write_project(project, {**GOOD, FILE: text})
    done = programs.run(PYTEST, cwd=project).check(2)
    assert all(word in done.single_message for word in words), done.err


def test_a_wrong_filter_in_the_file_is_pointed_at(programs: Programs, project: Path):
    write_project(project, {**GOOD, FILE: "[[directives]]\n[[directives]]\nfilter = 'all && nmae.eq(x)'\n"})
    lines = programs.run(PYTEST, cwd=project).check(2).err.splitlines()
    assert lines == [
        f"maelstrom-pytest: {project / FILE}:2: directives[1].filter: unknown selector `nmae`",
        "    all && nmae.eq(x)",
        "           ^^^^",
        "  hint: did you mean `name`?",
    ]
