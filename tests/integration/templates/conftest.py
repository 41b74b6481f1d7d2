"""A template in C, compiled once, and jobs that are forked from it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maelstrom_client.sealed import SEALED_MOUNTS
from maelstrom_container.templates import library
from maelstrom_core.job import Container, Job
from maelstrom_core.spec import BindMount, Network, TemplateSpec
from tests.support.pool import PATH, ROOT, host_trees

SOURCE = Path(__file__).with_name("template.c")
DEEDS = Path(__file__).with_name("deeds.c")
HEADERS = ROOT / "container" / "maelstrom_container"

MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the templates need, to be shown at /template."""
    folder = tmp_path_factory.mktemp("template")
    program = folder / "program"
    subprocess.run(["cc", "-O1", "-I", HEADERS, "-o", program, SOURCE, "-ldl"], check=True)
    shutil.copy(library(), folder / "template.so")
    folder.chmod(0o755)
    return folder


@pytest.fixture
def forked(folder: Path) -> MakeJob:
    def make(
        command: str,
        *,
        request: str = "hello",
        stages: tuple[str, ...] = (),
        fields: dict[str, Any] | None = None,
        program: str = "/template/program",
        **more: Any,
    ) -> Job:
        standard: dict[str, Any] = {
            "layers": host_trees(),
            "mounts": (*SEALED_MOUNTS, BindMount("/template", str(folder), read_only=True)),
            "network": Network.LOOPBACK,
            "writable": True,
            "user": os.getuid(),
            "group": os.getgid(),
            "directories": ("/var/tmp",),
        }
        within = Container(**(standard | (fields or {})))
        template = TemplateSpec(
            program, ("/template/template.so",), request.encode(), tuple(stage.encode() for stage in stages)
        )
        return Job(within, "", environment=(PATH,), stdin=command.encode(), template=template, **more)

    return make


@pytest.fixture(scope="session")
def programs(folder: Path) -> Path:
    """Templates whose jobs use each other's process where they can; one of them cannot watch what is written."""
    libraries = ("-ldl", "-lm", "-lrt", "-lpthread")
    subprocess.run(["cc", "-O1", "-I", HEADERS, "-o", folder / "deeds", DEEDS, *libraries], check=True)
    shutil.copy(folder / "deeds", folder / "deeds-unwatched")
    return folder


@pytest.fixture(params=["deeds", "deeds-unwatched"])
def program(programs: Path, request: pytest.FixtureRequest) -> str:
    """Each of them, where containers find it."""
    assert (programs / request.param).exists()
    return f"/template/{request.param}"


@pytest.fixture
def deed(program: str, forked: MakeJob) -> MakeJob:
    def make(name: str, **more: Any) -> Job:
        return forked(name, program=program, **more)

    return make
