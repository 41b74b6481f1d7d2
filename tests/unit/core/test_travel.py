"""Jobs and outcomes that travel: what arrives is what was sent, and nothing that reaches for the worker's machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from maelstrom_core.job import (
    Capture,
    Container,
    Effects,
    Exited,
    HostTree,
    Job,
    LayerDirectory,
    Output,
    RealisedLayer,
    SystemFailure,
)
from maelstrom_core.spec import BindMount, Network, ProcMount, TemplateSpec, WindowSize
from maelstrom_core.travel import LARGEST, Packer, Unpacker, pack_outcome, tie, unpack_outcome

CONTAINER = Container((LayerDirectory("/client/a"),), mounts=(ProcMount("/proc"),), user=7, writable=True)
JOB = Job(
    CONTAINER,
    "/bin/true",
    ("a", "b"),
    environment=("A=1",),
    variables=("B=2",),
    working_directory="/tmp",
    timeout=3.0,
    stdin=b"\0\xff",
    template=TemplateSpec("/bin/python", request=b"\0"),
    inline_limit=5,
    result_limit=6,
    output_limit=7,
)


def arrived(job: Job, *layers: RealisedLayer) -> Job:
    return Unpacker().unpack(Packer().pack(job), layers, job.slots)


def with_tree(target: str) -> Job:
    return msgspec.structs.replace(JOB, container=Container((HostTree("/client/tree", target),)))


def test_what_arrives_is_what_was_sent_on_layers_of_the_worker() -> None:
    ours = LayerDirectory("/worker/a")
    expected = msgspec.structs.replace(JOB, container=msgspec.structs.replace(CONTAINER, layers=(ours,)))
    assert arrived(JOB, ours) == expected


def test_jobs_of_one_container_share_it_when_they_have_arrived() -> None:
    packer, unpacker, layers = Packer(), Unpacker(), (LayerDirectory("/worker/a"),)
    first = unpacker.unpack(packer.pack(JOB), layers, 1)
    second = unpacker.unpack(packer.pack(msgspec.structs.replace(JOB, arguments=())), layers, 1)
    assert first.container is second.container


def test_layers_that_are_one_at_the_worker_are_stacked_once() -> None:
    job = msgspec.structs.replace(JOB, container=Container((LayerDirectory("/client/a"), LayerDirectory("/client/b"))))
    ours = LayerDirectory("/worker/a")
    assert arrived(job, ours, ours).container.layers == (ours,)


def test_a_tree_is_a_tree_again(tmp_path: Path) -> None:
    (tmp_path / "home" / "project").mkdir(parents=True)
    (tree,) = arrived(with_tree("/home/project"), LayerDirectory(str(tmp_path), 3)).container.layers
    assert tree == HostTree(f"{tmp_path}/home/project", "/home/project", generation=3)


@pytest.mark.parametrize(
    "target", ["/../etc", "/a/../../etc", "etc", "/./etc", "//etc", "/link", "/link/inner", "/file"]
)
def test_a_tree_never_leads_out_of_its_layer(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside" / "inner").mkdir(parents=True)
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "link").symlink_to(tmp_path / "outside")
    (layer / "file").touch()
    with pytest.raises(ValueError, match="is no "):
        arrived(with_tree(target), LayerDirectory(str(layer)))


TIED = [
    msgspec.structs.replace(JOB, local=True),
    msgspec.structs.replace(JOB, allocate_tty=WindowSize(1, 1)),
    msgspec.structs.replace(JOB, capture=Capture("/somewhere")),
    msgspec.structs.replace(JOB, container=msgspec.structs.replace(CONTAINER, network=Network.LOCAL)),
    msgspec.structs.replace(JOB, container=msgspec.structs.replace(CONTAINER, mounts=(BindMount("/mnt", "/etc"),))),
]


@pytest.mark.parametrize("job", TIED)
def test_what_belongs_to_one_machine_is_tied_to_it(job: Job) -> None:
    assert tie(job) is not None


@pytest.mark.parametrize("job", TIED[3:])
def test_a_worker_refuses_what_would_reach_for_its_machine(job: Job) -> None:
    with pytest.raises(ValueError, match="may not run here"):
        arrived(job, LayerDirectory("/worker/a"))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93\x01\x02\x03", Packer().pack(JOB)[:-3]])
def test_what_is_no_job_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Unpacker().unpack(body, (), 1)
    with pytest.raises(ValueError, match="other layers"):
        Unpacker().unpack(Packer().pack(JOB), (), 1)


def test_outcomes_arrive_and_too_much_output_is_cut_and_counted() -> None:
    for outcome in (SystemFailure("a", "b"), Exited(3, Effects(stdout=Output(b"out", 4)))):
        assert unpack_outcome(pack_outcome(outcome)) == outcome
    large = Exited(0, Effects(stdout=Output(bytes(LARGEST), 1), result=Output(b"kept")))
    body = pack_outcome(large)
    assert len(body) <= LARGEST
    cut = unpack_outcome(body)
    assert isinstance(cut, Exited)
    assert cut.effects.result == Output(b"kept")
    assert len(cut.effects.stdout.data) + cut.effects.stdout.lost == LARGEST + 1
    with pytest.raises(ValueError, match=r".*"):
        unpack_outcome(b"\x01")
