"""Putting containers together: what is used of an image, layers that are there twice, variables of jobs."""

from pathlib import Path

from maelstrom_client.ready import Ready, evaluate_environment, job_of, make_ready, without_repeats
from maelstrom_container.images.store import RealisedImage
from maelstrom_core.collapse import FlatContainer, collapse
from maelstrom_core.job import Container, HostTree, LayerDirectory
from maelstrom_core.spec import ContainerSpec, JobSpec
from maelstrom_core.spec_parse import parse_container

A, B, C = (LayerDirectory(f"/{name}") for name in "abc")
IMAGE = RealisedImage((A, B), {"PATH": "/bin", "HOME": "/home"}, "/work", 7, 8)
EVERYTHING = ["layers", "environment", "working_directory", "user"]


def flat(**fields: object) -> FlatContainer:
    return collapse(parse_container({"image": {"name": "x", "use": EVERYTHING}, **fields}), {})


def test_everything_of_an_image():
    container = flat()
    ready = make_ready(container, (C,), evaluate_environment(container, IMAGE), Path("/"), IMAGE)
    assert ready.container.layers == (A, B, C)
    assert (ready.container.user, ready.container.group) == (7, 8)
    assert ready.environment == ("HOME=/home", "PATH=/bin")
    assert ready.working_directory == "/work"


def test_nothing_but_layers():
    container = flat(image={"name": "x", "use": ["layers"]}, user=1, working_directory="/own")
    ready = make_ready(container, (), evaluate_environment(container, IMAGE), Path("/"), IMAGE)
    assert ready.container.layers == (A, B)
    assert (ready.container.user, ready.container.group) == (1, 0)
    assert ready.environment == ()
    assert ready.working_directory == "/own"


def test_pr12_environment_starts_with_that_of_the_image():
    container = flat(added_environment={"PATH": "$prev{PATH}:/more"})
    assert evaluate_environment(container, IMAGE) == ("HOME=/home", "PATH=/bin:/more")


def test_directory_of_an_image_is_made_where_the_root_is_writable():
    container = flat(enable_writable_file_system=True)
    assert "/work" in make_ready(container, (), (), Path("/"), IMAGE).container.directories
    assert make_ready(flat(), (), (), Path("/"), IMAGE).container.directories == ()


def test_of_layers_that_are_there_twice_the_topmost_stays():
    tree = HostTree("/usr", "/usr")
    assert without_repeats([A, B, A, tree, C, B]) == (A, tree, C, B)
    assert without_repeats([]) == ()


def test_a_job_has_its_own_variables_instead_of_those_of_its_container():
    ready = Ready(Container(layers=()), ("A=1", "AB=2", "B=3"), "/")
    spec = JobSpec(container=ContainerSpec(), program="p")
    job = job_of(spec, ready, b"", 1000, ("A=x=y", "C="))
    assert job.environment == ("AB=2", "B=3")
    assert job.variables == ("A=x=y", "C=")


def test_jobs_that_differ_in_variables_only_are_equal_but_for_them():
    ready = Ready(Container(layers=()), ("A=1",), "/")
    spec = JobSpec(container=ContainerSpec(), program="p")
    jobs = [job_of(spec, ready, b"", 1000, (f"N={number}",)) for number in range(2)]
    assert jobs[0].environment is jobs[1].environment is ready.environment
