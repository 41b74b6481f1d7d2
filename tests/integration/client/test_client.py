"""The client library on real containers. Each test is a program of its own: the nursery wants a single thread."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.pool import ROOT

HEAVY = {"asyncio", "click", "concurrent.futures", "dataclasses", "logging", "shutil", "sqlite3", "ssl", "subprocess"}

PROLOGUE = """
import asyncio, sys
from pathlib import Path
from maelstrom_client import Client, ClientOptions, ContainerSpec, JobSpec, sealed_container, start_nursery
from maelstrom_core.errors import SpecError
from maelstrom_core.job import Cancelled, ExecutionError, Exited
from maelstrom_core.spec import *

nursery = start_nursery()
here = Path.cwd()
options = ClientOptions(project_directory=here, slots=2, cache_root=here / "cache")
HOST = HostLayer(("/usr", "/bin", "/lib", "/lib64"))

def job(script, **fields):
    fields.setdefault("layers", (HOST,))
    return JobSpec(container=ContainerSpec(**fields), program="/bin/sh", arguments=("-c", script))

def text(outcome):
    assert isinstance(outcome, Exited), outcome
    return outcome.effects.stdout.data.decode()

async def main():
    async with Client(nursery, options) as client:
"""
EPILOGUE = """
asyncio.run(main())
"""


def run(body: str, directory: Path, *, before: str = "", after: str = "") -> str:
    """Run the body of `main`, and what comes after the client, in a fresh process; returns what it printed."""
    script = (
        PROLOGUE.replace("async def main", f"{before}async def main")
        + textwrap.indent(textwrap.dedent(body), " " * 8)
        + EPILOGUE
        + after
    )
    return run_script(script, directory)


def run_script(script: str, directory: Path) -> str:
    """Run a program that uses the library; returns what it printed."""
    folders = [str(ROOT / name) for name in ("core", "container", "worker", "clients")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_equal_containers_are_prepared_once_and_jobs_run_at_the_same_time(tmp_path: Path) -> None:
    body = """
    outcomes = await asyncio.gather(*(client.submit(job(f"echo {number}")) for number in range(20)))
    print("".join(text(outcome) for outcome in outcomes).split() == [str(number) for number in range(20)])
    """
    assert run(body, tmp_path) == "True\n"


def test_layers_are_built_and_stacked(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("from the project\n")
    body = """
    layers = (HOST, StubsLayer(("/made/",)), GlobLayer("data/*.txt", prepend_prefix="/shown"))
    print(text(await client.submit(job("cat /shown/data/a.txt; ls -d /made", layers=layers))), end="")
    """
    assert run(body, tmp_path) == "from the project\n/made\n"


def test_a_parent_can_be_replaced(tmp_path: Path) -> None:
    body = """
    child = job("echo $A", parent=Reference("base", frozenset(Use)), layers=(HOST,))
    for value in ("one", "two"):
        client.add_container("base", ContainerSpec(environment=(EnvironmentElement({"A": value}),)))
        print(text(await client.submit(child)), end="")
    try:
        client.submit(job("true", parent=Reference("unknown", frozenset(Use))))
    except SpecError as error:
        print("unknown" in error.message)
    """
    assert run(body, tmp_path) == "one\ntwo\nTrue\n"


def test_a_layer_that_cannot_be_built_fails_its_jobs_and_no_others(tmp_path: Path) -> None:
    body = """
    bad = [client.submit(job("true", layers=(HOST, TarLayer("missing.tar")))) for _ in range(2)]
    good = client.submit(job("echo fine"))
    print(text(await good), end="")
    for future in bad:
        outcome = await future
        print(type(outcome).__name__, "missing.tar" in outcome.message)
    """
    assert run(body, tmp_path) == "fine\nExecutionError True\nExecutionError True\n"


def test_a_relative_bind_starts_at_the_project(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    body = """
    print(text(await client.submit(job("echo x > /mnt/f", mounts=(BindMount("/mnt", "sub"),)))), end="")
    """
    assert run(body, tmp_path) == ""
    assert (tmp_path / "sub" / "f").read_text() == "x\n"


def test_jobs_can_be_cancelled_before_and_after_they_start(tmp_path: Path) -> None:
    body = """
    early = client.submit(job("sleep 1000", layers=(HOST, StubsLayer(("/new/",)))))
    client.cancel(early)
    running = client.submit(job("sleep 1000"))
    while not client.is_running(running):
        await asyncio.sleep(0.01)
    client.cancel(running)
    print(await early == Cancelled(), await running == Cancelled())
    """
    assert run(body, tmp_path) == "True True\n"


def test_what_runs_at_the_end_is_stopped_and_answered(tmp_path: Path) -> None:
    body = """
    global left
    left = [client.submit(job("sleep 1000")) for _ in range(5)]
    """
    assert run(body, tmp_path, after="print(*(future.result() == Cancelled() for future in left))") == (
        "True True True True True\n"
    )


def test_the_sealed_container_is_the_callers_own_view(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    body = """
    import os
    os.environ["SPECIAL"] = "a $dollar"
    spec = JobSpec(container=sealed_container(here), program="sh",
                   arguments=("-c", 'pwd; cat file; echo " $SPECIAL"; id -u; touch "$HOME/x" && echo home; touch y'))
    print(text(await client.submit(spec)) == f"{here}\\nhere a $dollar\\n{os.getuid()}\\nhome\\n")
    """
    assert run(body, tmp_path) == "True\n"
    assert not (tmp_path / "y").exists()


def test_the_library_takes_relative_paths(tmp_path: Path) -> None:
    body = """
    print(text(await client.submit(job("cat /file", layers=(HOST, GlobLayer("file"))))), end="")
    """
    (tmp_path / "file").write_text("shown\n")
    prologue = 'options = ClientOptions(project_directory=Path(), slots=1, cache_root=Path("cache"))\n'
    assert run(body, tmp_path, before=prologue) == "shown\n"


def test_one_job_alone_needs_nothing_that_is_heavy_to_import(tmp_path: Path) -> None:
    """Its whole program takes little longer than Python and click do: that is what the budget keeps."""
    script = """
import sys
from pathlib import Path
from maelstrom_client import ClientOptions, ContainerSpec, JobSpec, SingleJob, start_nursery
from maelstrom_core.spec import HostLayer
options = ClientOptions(project_directory=Path(), slots=2, cache_root=Path("cache"))
with SingleJob(start_nursery(), options) as single:
    container = ContainerSpec(layers=(HostLayer(("/usr", "/bin", "/lib", "/lib64")),))
    outcome = single.run(JobSpec(container=container, program="/bin/echo", arguments=("it ran",)), {})
print(outcome.effects.stdout.data.decode(), end="")
print(*sys.modules)
"""
    said, modules = run_script(script, tmp_path).splitlines()
    assert said == "it ran"
    assert HEAVY & set(modules.split()) == set()
    assert len([name for name in modules.split() if not name.startswith("maelstrom_")]) < 150
    # what only pool members need is imported by them
    assert {"maelstrom_container.launcher", "maelstrom_worker.nursery_process"} & set(modules.split()) == set()
    assert "maelstrom_container.layer_writer" in modules.split()  # the first time: there was a layer to write


def test_one_job_alone_may_be_of_another_kind_than_most(tmp_path: Path) -> None:
    """A member for the usual kind is made before the job is known; this one gets its own."""
    script = """
from pathlib import Path
from maelstrom_client import ClientOptions, ContainerSpec, JobSpec, SingleJob, start_nursery
from maelstrom_core.spec import HostLayer, Network, Seccomp
options = ClientOptions(project_directory=Path(), slots=2, cache_root=Path("cache"))
with SingleJob(start_nursery(), options) as single:
    layers = (HostLayer(("/usr", "/bin", "/lib", "/lib64")),)
    container = ContainerSpec(layers=layers, network=Network.LOCAL, seccomp=Seccomp.OFF)
    outcome = single.run(JobSpec(container=container, program="/bin/echo", arguments=("it ran",)), {})
print(outcome.effects.stdout.data.decode(), end="")
"""
    assert run_script(script, tmp_path) == "it ran\n"


def test_one_job_alone_says_what_is_wrong_with_its_layers(tmp_path: Path) -> None:
    script = """
from pathlib import Path
from maelstrom_client import ClientOptions, ContainerSpec, JobSpec, SingleJob, start_nursery
from maelstrom_core.spec import HostLayer
options = ClientOptions(project_directory=Path(), cache_root=Path("cache"))
with SingleJob(start_nursery(), options) as single:
    outcome = single.run(JobSpec(container=ContainerSpec(layers=(HostLayer(("/nowhere",)),)), program="true"), {})
print(type(outcome).__name__, outcome.message)
"""
    assert run_script(script, tmp_path) == (
        "ExecutionError the host directory /nowhere cannot be shown: No such file or directory\n"
    )
