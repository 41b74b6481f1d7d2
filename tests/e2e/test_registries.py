"""Images of registries, through maelstrom-run: what is said, what is noted, and what is left behind."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from maelstrom_core.config_kinds import format_size
from tests.support.images import probe, two_layers
from tests.support.programs import PATIENCE, RUN, Programs, Terminal, eventually
from tests.support.registry import PASSWORD, USER, Place, basic, between, missing_tools, push

LOCK = "maelstrom-container-tags.lock"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    try:
        probe()
    except OSError as error:
        pytest.skip(f"no program can be linked statically here: {error}")
    return Place(tmp_path_factory.mktemp("registries"))


@pytest.fixture(scope="module")
def registry(place: Place) -> Iterator[str]:
    with place.registry() as address:
        push(address, "probe", two_layers())
        yield address


@pytest.fixture
def cache(project: Path) -> tuple[str, ...]:
    """Return the options for a cache of the test's own."""
    return ("--cache-root", str(project.parent / "cache"))


def test_im8_a_program_of_an_image_and_the_note_of_what_its_tag_means(
    programs: Programs, project: Path, registry: str, cache: tuple[str, ...]
):
    words = ("about", ".", "cat", "replaced", "env", "COLOUR")
    done = programs.run(RUN, *cache, "--image", f"docker://{registry}/probe", "--", "probe", *words, cwd=project)
    assert done.check(0).out == "/data 0 0\nupper\nCOLOUR=green\n"
    size = format_size(sum(len(blob.data) for blob in two_layers().layer_blobs))
    told = f"maelstrom-run: downloaded docker://{registry}/probe: 2 layers, {size} in "
    assert re.fullmatch(re.escape(told) + r"\d+\.\d s\n", done.err)
    digest = two_layers().manifest.digest
    assert (project / LOCK).read_text() == f'version = 1\n\n["{registry}/probe"]\nlatest = "{digest}"\n'
    assert [path.name for path in project.iterdir()] == [LOCK]


def test_what_was_downloaded_is_used_when_the_registry_is_gone(
    programs: Programs, project: Path, place: Place, registry: str, cache: tuple[str, ...]
):
    with place.registry() as address:
        command = (RUN, *cache, "--image", f"docker://{address}/probe", "--", "probe", "cat", "kept")
        assert programs.run(*command, cwd=project).check(0).out == "lower\n"
    assert programs.run(*command, cwd=project).check(0).out == "lower\n"
    other = project.parent / "other"
    other.mkdir()
    done = programs.run(*command, cwd=other).check(3)
    assert f"failed to reach {address}: Connection refused" in done.single_message


def test_tags_are_looked_up_anew_when_that_is_asked_for(
    programs: Programs, project: Path, registry: str, cache: tuple[str, ...]
):
    def colour(*options: str) -> str:
        words = ("--image", f"docker://{registry}/moving", "--", "probe", "env", "COLOUR")
        return programs.run(RUN, *cache, *options, *words, cwd=project).check(0).out

    push(registry, "moving", two_layers())
    assert colour() == "COLOUR=green\n"
    push(registry, "moving", two_layers(config={"Env": ["PATH=/bin", "COLOUR=blue"]}))
    assert colour() == "COLOUR=green\n"
    assert colour("--update-image") == "COLOUR=blue\n"
    assert colour() == "COLOUR=blue\n"


def test_a_stream_of_jobs_of_several_images(programs: Programs, project: Path, registry: str, cache: tuple[str, ...]):
    push(registry, "second", two_layers(config={"Env": ["COLOUR=red"]}))
    jobs = [
        {"image": f"docker://{registry}/{name}", "program": "/bin/probe", "arguments": ["env", "COLOUR"]}
        for name in ("probe", "second", "missing", "probe")
    ]
    done = programs.jobs(*jobs, cwd=project, options=cache).check(1)
    assert sorted(done.out.splitlines()) == ["COLOUR=green", "COLOUR=green", "COLOUR=red"]
    assert f"job 3: execution error: there is no image `missing` in the registry {registry}" in done.err


def test_credentials_of_docker_login(programs: Programs, project: Path, place: Place, registry: str):
    with place.registry(auth=place.basic()) as address:
        command = (RUN, "--cache-root", "cache", "--image", f"docker://{address}/probe", "--", "probe", "cat", "kept")
        done = programs.run(*command, cwd=project).check(1)
        assert f"  hint: look at the name, or log in with `docker login {address}`" in done.single_message
        auth = {"auth": basic(USER, PASSWORD).removeprefix("Basic ")}
        docker = programs.home / ".docker"
        docker.mkdir()
        (docker / "config.json").write_text(json.dumps({"auths": {address: auth}}))
        assert programs.run(*command, cwd=project).check(0).out == "lower\n"


def test_a_certificate_that_nobody_signed(programs: Programs, project: Path, place: Place, registry: str):
    with place.registry(tls=True) as address:
        words = ("--cache-root", "cache", "--image", f"docker://{address}/probe", "--", "probe", "cat", "kept")
        done = programs.run(RUN, *words, cwd=project).check(3)
        assert "its certificate is not valid" in done.single_message
        done = programs.run(
            RUN, "--accept-invalid-remote-container-tls-certs", "--no-progress", *words, cwd=project
        ).check(0)
        assert (done.out, done.err) == ("lower\n", "")


@pytest.mark.parametrize("form", ["command", "stream"])
def test_an_interrupt_ends_a_download_that_hangs_and_leaves_nothing(
    programs: Programs, project: Path, registry: str, cache: tuple[str, ...], form: str
):
    def hang(request, reply):
        if "/blobs/" in request.path and two_layers().config_blob.digest not in request.path:
            reply.send, reply.hang = 100, True
        return reply

    with between(registry, hang) as proxy:
        name = f"docker://{proxy.address}/probe"
        words = ("--image", name, "--", "probe") if form == "command" else ()
        with programs.start(RUN, *cache, *words, cwd=project) as process:
            if form == "stream":
                process.stdin.write(json.dumps({"image": name, "program": "/bin/probe"}).encode())
                process.stdin.flush()
            assert proxy.hanging.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        done = b"maelstrom-run: 0 jobs done, 0 failed, 0 running\n" if form == "stream" else b""
        assert (out, err) == (b"", done + b"maelstrom-run: interrupted\n")
        assert process.returncode == 130
        layers = project.parent / "cache" / "layers"
        assert list((layers / "tmp").iterdir()) == []
        assert list((layers / "blake3" / "layer").iterdir()) == []


def test_a_terminal_shows_how_far_a_download_is_and_nothing_of_it_stays(
    programs: Programs, project: Path, registry: str, cache: tuple[str, ...]
):
    def hang(request, reply):
        if two_layers().layer_blobs[1].digest in request.path:
            reply.send, reply.hang = 100, True
        return reply

    with between(registry, hang) as proxy:
        words = (*cache, "--image", f"docker://{proxy.address}/probe", "--", "probe", "cat", "kept")
        with Terminal(programs, RUN, *words, cwd=project) as terminal:
            part = f"downloading docker://{proxy.address}/probe: 1 of 2 layers, "
            assert eventually(lambda: terminal.read() and part in terminal.text), terminal.text
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.wait() == 130
            assert terminal.screen == ["", "maelstrom-run: interrupted", ""]  # below the ^C that a terminal shows
    words = (*cache, "--image", f"docker://{registry}/probe", "--", "probe", "cat", "kept")
    with Terminal(programs, RUN, *words, cwd=project) as terminal:
        assert terminal.wait() == 0
        assert terminal.screen == ["lower", ""]


def test_a_tag_lock_that_cannot_be_understood_is_an_error_and_stays(
    programs: Programs, project: Path, registry: str, cache: tuple[str, ...]
):
    (project / LOCK).write_text("version = 7\n")
    done = programs.run(RUN, *cache, "--image", f"docker://{registry}/probe", "--", "probe", cwd=project).check(1)
    assert f"{project}/{LOCK} has the version 7, not 1" in done.single_message
    assert (project / LOCK).read_text() == "version = 7\n"


def test_programs_without_an_image_import_nothing_for_them(programs: Programs, project: Path):
    """Start-up time is a feature."""
    done = programs.run(RUN, "--", "true", cwd=project, env={"PYTHONPROFILEIMPORTTIME": "1"}).check(0)
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "maelstrom_client.single" in imported
    assert {"urllib3", "ssl", "backports.zstd", "maelstrom_container.images"} & imported == set()
