"""Images whose programs use another C library than this machine's: musl, as in Alpine's images."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.images import Image, tar, write_layout
from tests.support.programs import PYTEST, RUN, Programs, Terminal, write_project

LOADER = f"lib/ld-musl-{platform.machine()}.so.1"
BUSYBOX = "/bin/busybox"
# with threads, names of users and of the terminal, and memory: what the libraries do differently
SOURCE = r"""
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *fill(void *size) { return memset(malloc((size_t)size), 1, (size_t)size); }
int main(int count, char **words)
{
    pthread_t thread;
    struct passwd *user = getpwuid(getuid());
    if (pthread_create(&thread, NULL, fill, (void *)1000000) || pthread_join(thread, NULL))
        return 9;
    const char *terminal = ttyname(0);
    printf("%s %s %s %s\n", user ? user->pw_name : "nobody", getenv("HOME"), terminal ? terminal : "none",
           count > 1 ? words[1] : "");
    return 3;
}
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with the loader, a program for it, and a shell where there is one."""
    if shutil.which("musl-gcc") is None:
        pytest.skip("there is no musl-gcc")
    directory = tmp_path_factory.mktemp("musl")
    program = directory / "program"
    subprocess.run(["musl-gcc", "-O1", "-xc", "-", "-o", program], input=SOURCE.encode(), check=True)
    assert f"/{LOADER}".encode() in program.read_bytes()
    files: dict[str, bytes | str] = {
        LOADER: Path("/", LOADER).read_bytes(),
        "bin/program": program.read_bytes(),
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    }
    if os.access(BUSYBOX, os.X_OK):
        files["bin/sh"] = Path(BUSYBOX).read_bytes()
    config = {"Env": ["PATH=/bin"], "Cmd": ["program", "by itself"]}
    return f"oci:{write_layout(directory / 'image', {'': Image((tar(files),), config)})}"


def test_programs_run(programs: Programs, project: Path, layout: str):
    done = programs.run(RUN, "--image", layout, "--", "program", "word", cwd=project).check(3)
    assert (done.out, done.err) == ("root /root none word\n", "")


def test_what_the_image_runs_by_itself(programs: Programs, project: Path, layout: str):
    assert programs.run(RUN, "--image", layout, cwd=project).check(3).out == "root /root none by itself\n"


def test_their_terminal_has_its_name(programs: Programs, project: Path, layout: str):
    """musl looks at the path only: a terminal from outside has none for it."""
    with Terminal(programs, RUN, "--image", layout, "--tty", "--", "program", cwd=project) as terminal:
        assert terminal.wait() == 3
        assert "root /root /dev/pts/0" in terminal.text


def test_what_they_leave_is_brought_back(programs: Programs, project: Path, layout: str):
    if not os.access(BUSYBOX, os.X_OK):
        pytest.skip("there is no busybox")
    command = ("sh", "-c", "program > /root/said; exit 0")
    options = ("--out", "out", "--out-from", "/root", "--capture", "x.tar")
    programs.run(RUN, "--image", layout, *options, "--", *command, cwd=project).check(0)
    assert (project / "out" / "said").read_text() == "root /root none \n"
    assert (project / "x.tar").is_file()


def test_an_image_without_a_python_is_said(programs: Programs, project: Path, layout: str):
    write_project(project, {"test_x.py": "def test(): pass\n"})
    done = programs.run(PYTEST, "--image", layout, cwd=project).check(2)
    assert f"failed to look at the Python of the image {layout}: failed to execute python3" in done.single_message
    assert "use an image with a Python, such as docker://python:3-slim, or name its own with --python" in done.err


def test_an_interpreter_of_this_machine_does_not_run_there(programs: Programs, project: Path, layout: str):
    """Its C library is missing: the kernel says no more than that there is no such file."""
    write_project(project, {"test_x.py": "def test(): pass\n", "python": ""})
    shutil.copy(os.path.realpath("/usr/bin/python3"), project / "python")
    done = programs.run(PYTEST, "--image", layout, "--python", str(project / "python"), cwd=project).check(2)
    assert "failed to execute" in done.single_message
