"""The forms of maelstrom-run, with a client that runs nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NoReturn

import pytest

from maelstrom_core.errors import UserError
from maelstrom_core.spec import HostLayer, Limits
from maelstrom_run.cli import run_cli
from maelstrom_run.one import read_one
from tests.unit.run.fake import FakeBackend


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("MAELSTROM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))


@pytest.fixture
def backend():
    return FakeBackend()


class DiedError(Exception):
    pass


def die(number: int) -> NoReturn:
    raise DiedError(number)


def jobs_file(tmp_path: Path, *documents: object) -> str:
    path = tmp_path / "jobs.json"
    path.write_text("\n".join(json.dumps(document) for document in documents))
    return str(path)


def test_command_is_run_in_the_default_container(backend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_cli(["--", "exit", "5"], backend) == 5
    spec = backend.client.specs[0]
    assert (spec.program, spec.arguments) == ("exit", ("5",))
    assert spec.container.layers == (HostLayer(("/usr",)),)
    assert spec.container.working_directory == str(tmp_path)


def test_limits_of_the_command_line_stand_beside_those_of_the_job(backend, tmp_path):
    job = {"program": "true", "limits": {"open_files": 64, "memory": 1 << 30}}
    options = ["--memory", "64 MiB", "--cpu-weight", "50"]
    assert run_cli([*options, "--one", "-f", jobs_file(tmp_path, job)], backend) == 0
    assert backend.client.specs[0].container.limits == Limits(open_files=64, memory=64 << 20, cpu_weight=50)


def test_options_of_the_command_are_its_own(backend):
    assert run_cli(["--slots", "3", "true", "--one", "-f"], backend) == 0
    assert backend.client.specs[0].arguments == ("--one", "-f")
    assert backend.client.config.slots == 3


def test_stream_from_a_file(backend, tmp_path, capfdbinary):
    file = jobs_file(tmp_path, {"program": "print", "arguments": ["a\n", ""]}, {"program": "exit", "arguments": ["4"]})
    assert run_cli(["--file", file], backend) == 4
    assert capfdbinary.readouterr() == (b"a\n", b"job 2: exited with code 4\n")


def test_stream_from_standard_input(backend, tmp_path, monkeypatch):
    read_end, write_end = os.pipe()
    saved = os.dup(0)
    os.dup2(read_end, 0)
    try:
        os.write(write_end, b'{"program": "exit", "arguments": ["6"]} {"program": "true"}')
        os.close(write_end)
        assert run_cli([], backend) == 6
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(read_end)


def test_one_ends_with_the_exit_code_of_the_job_and_no_words(backend, tmp_path, capfdbinary):
    file = jobs_file(tmp_path, {"program": "exit", "arguments": ["9"]}, {"program": "lost"})
    assert run_cli(["--one", "-f", file], backend) == 9
    assert capfdbinary.readouterr() == (b"", b"")
    assert len(backend.client.specs) == 1


def test_one_ends_by_the_signal_that_killed_the_job(backend, tmp_path, capfdbinary):
    file = jobs_file(tmp_path, {"program": "signal", "arguments": ["15"]})
    with pytest.raises(DiedError, match="15"):
        run_cli(["-1", "-f", file], backend, die=die)
    assert capfdbinary.readouterr() == (b"before\n", b"")


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("timeout", b"maelstrom-run: timed out after 1.5 s\n"),
        ("missing", b"maelstrom-run: execution error: program `missing` does not exist\n  hint: look at the layers\n"),
        ("lost", b"maelstrom-run: system error: the worker died\n"),
    ],
)
def test_one_says_what_an_exit_code_cannot(backend, tmp_path, capfdbinary, program, text):
    assert run_cli(["-1", "-f", jobs_file(tmp_path, {"program": program}), "--timeout", "1.5"], backend) == (
        3 if program == "lost" else 1
    )
    assert capfdbinary.readouterr().err == text


def test_command_replaces_program_and_arguments_of_the_one_job(backend, tmp_path):
    file = jobs_file(tmp_path, {"program": "lost", "arguments": ["a"], "user": 7})
    assert run_cli(["-1", "-f", file, "exit", "3"], backend) == 3
    assert backend.client.specs[0].container.user == 7


def test_one_that_is_cancelled_says_so(backend, capfdbinary):
    assert run_cli(["cancelled"], backend) == 1
    assert capfdbinary.readouterr().err == b"maelstrom-run: cancelled\n"


def test_one_takes_up_containers_before_its_job(backend, tmp_path):
    file = jobs_file(tmp_path, {"containers": {"a": {}}}, {"program": "true", "parent": "a"})
    assert run_cli(["-1", "-f", file], backend) == 0
    assert list(backend.client.containers) == ["a"]


def test_one_without_a_job_is_an_error(backend, tmp_path):
    with pytest.raises(UserError, match="no job was given"):
        run_cli(["-1", "-f", jobs_file(tmp_path, {"containers": {}})], backend)


def test_one_reads_no_further_than_its_job():
    pieces = iter([b'{"program": "true"}'])
    assert read_one(lambda _size: next(pieces)).spec.program == "true"


def test_missing_file_is_an_error_that_names_it(backend):
    with pytest.raises(UserError, match="failed to open /nowhere/jobs: No such file"):
        run_cli(["-f", "/nowhere/jobs"], backend)


def test_directory_as_file_is_an_error(backend, tmp_path):
    with pytest.raises(UserError, match="directory"):
        run_cli(["-f", str(tmp_path)], backend)
    with pytest.raises(UserError, match="directory"):
        run_cli(["-1", "-f", str(tmp_path)], backend)


def test_command_and_file_exclude_each_other(backend, capsys):
    assert run_cli(["-f", "x", "true"], backend) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_limits_are_passed_on(backend):
    assert run_cli(["--inline-limit", "1kB", "--timeout", "0", "true"], backend) == 0
    assert backend.client.limits == [1000]
    assert backend.client.specs[0].timeout is None


def test_timeout_can_be_configured(backend, monkeypatch):
    monkeypatch.setenv("MAELSTROM_RUN_TIMEOUT", "2")
    assert run_cli(["true"], backend) == 0
    assert backend.client.specs[0].timeout == 2.0


def test_doctor_is_asked(backend):
    assert run_cli(["--doctor"], backend) == 42


def test_command_is_run_in_the_container_of_an_image(backend):
    assert run_cli(["--image", "oci:directory", "--", "exit", "5"], backend) == 5
    spec = backend.client.specs[0]
    assert (spec.program, spec.arguments) == ("exit", ("5",))
    assert spec.container.image.name == "oci:directory"


def test_an_image_without_a_command_runs_what_it_runs_by_itself(backend):
    assert run_cli(["--image", "oci:directory"], backend) == 0
    assert backend.client.own == [True]
    assert run_cli(["--image", "oci:directory", "exit", "0"], backend) == 0
    assert backend.client.own == [True, False]


@pytest.mark.parametrize(
    "arguments", [["--image", "docker://x", "--file", "y"], ["--image", "docker://x", "--one", "true"]]
)
def test_image_is_for_a_command(backend, capsys, arguments):
    assert run_cli(arguments, backend) == 2
    assert "--image takes neither --one nor --file" in capsys.readouterr().err


# many jobs


def piped(data: bytes, call):
    """Call with this on standard input."""
    read_end, write_end = os.pipe()
    saved = os.dup(0)
    os.dup2(read_end, 0)
    os.close(read_end)
    try:
        os.write(write_end, data)
        os.close(write_end)
        return call()
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def test_a_command_is_run_for_each_line(backend, capfdbinary):
    assert piped(b"a\nb c\n", lambda: run_cli(["--map", "--", "print", "{} ", "{#}"], backend)) == 0
    assert capfdbinary.readouterr() == (b"a b c ", b"12")
    assert backend.client.variables[1] == ("MAELSTROM_INPUT=b c", "MAELSTROM_JOB=2")


def test_a_command_is_run_for_each_number_and_reads_nothing(backend):
    assert run_cli(["--map", "--range", "3..7..2", "exit"], backend) == 3
    assert [spec.arguments for spec in backend.client.specs] == [("3",), ("5",), ("7",)]


def test_a_command_is_run_for_inputs_of_a_file_in_the_container_of_a_job(backend, tmp_path):
    (tmp_path / "inputs").write_bytes(b"x\0y\n")
    file = jobs_file(tmp_path, {"containers": {"a": {}}}, {"program": "print", "arguments": ["{}", "-"], "parent": "a"})
    assert run_cli(["--map", "-0", "--inputs", str(tmp_path / "inputs"), "-f", file], backend) == 0
    assert [spec.arguments for spec in backend.client.specs] == [("x", "-"), ("y\n", "-")]
    assert list(backend.client.containers) == ["a"]
    assert run_cli(["--map", "--range", "1..1", "-f", file, "exit", "4", "{}"], backend) == 4
    assert backend.client.specs[-1].container == backend.client.specs[0].container


def test_a_command_is_run_for_inputs_in_an_image(backend):
    assert run_cli(["--map", "--range", "1..2", "--image", "oci:x", "true"], backend) == 0
    assert [spec.container.image.name for spec in backend.client.specs] == ["oci:x", "oci:x"]


def test_a_file_of_jobs_gives_results_on_standard_output(backend, tmp_path, capfdbinary):
    file = jobs_file(tmp_path, {"program": "print", "arguments": ["a", "b"]}, {"program": "exit", "arguments": ["4"]})
    assert run_cli(["--jobs", file], backend) == 4
    out, err = capfdbinary.readouterr()
    results = [json.loads(line) for line in out.splitlines()]
    assert [(result["job"], result["code"], result["stdout"]) for result in results] == [(1, 0, "a"), (2, 4, "")]
    assert err == b"job 2: exited with code 4\n"


def test_containers_before_a_job_belong_to_what_it_is_known_by(backend, tmp_path, capfdbinary):
    job = {"program": "true", "parent": "a"}
    digests = []
    for containers in ({"a": {"user": 1}}, {"a": {"user": 2}}, {"a": {"user": 1}}):
        run_cli(["--jobs", jobs_file(tmp_path, {"containers": containers}, job)], backend)
        digests.append(json.loads(capfdbinary.readouterr().out)["digest"])
    assert digests[0] == digests[2] != digests[1]


def test_results_in_a_file_are_not_overwritten(backend, tmp_path, capfdbinary):
    arguments = ["--map", "--range", "1..2", "--results", str(tmp_path / "results"), "true"]
    assert run_cli(arguments, backend) == 0
    assert capfdbinary.readouterr() == (b"", b"")
    written = (tmp_path / "results").read_bytes()
    assert len(written.splitlines()) == 2
    with pytest.raises(UserError, match="not empty"):
        run_cli(arguments, backend)
    assert (tmp_path / "results").read_bytes() == written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map"], "--map takes a command"),
        (["--map", "--one", "true"], "--map and --one"),
        (["--range", "1..2", "true"], "go with --map"),
        (["--map", "--range", "1-2", "true"], "`1-2` is no range"),
        (["--map", "--range", "1..2", "--inputs", "x", "true"], "exclude each other"),
        (["--map", "-f", "-", "true"], "standard input cannot hold"),
        (["--map", "-I", "", "true"], "-I takes a text"),
        (["--jobs", "x", "true"], "--jobs takes neither"),
        (["--keep-order", "true"], "go with many jobs"),
        (["--resume"], "go with --joblog"),
        (["--joblog", "x", "--results", "x"], "a file of its own"),
    ],
)
def test_what_does_not_go_together_is_said(backend, capsys, arguments, message):
    assert run_cli(arguments, backend) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert backend.client.specs == []
