"""What is written is read as the same."""

from __future__ import annotations

import json

import pytest

from maelstrom_client.sealed import image_container, sealed_container
from maelstrom_core.spec import JobSpec
from maelstrom_core.spec_parse import parse_changes, parse_container, parse_job
from maelstrom_core.spec_write import container_document, job_document

EVERYTHING = {
    "image": {"name": "docker://a", "use": ["environment", "layers"]},
    "added_layers": [
        {"tar": "a.tar"},
        {"glob": "**.py", "strip_prefix": "/a"},
        {"paths": ["/b"], "follow_symlinks": True},
        {"symlinks": [{"link": "/l", "target": "t"}]},
        {"host": ["/usr"]},
        {"python_environment": "python3"},
        {"project": "."},
    ],
    "added_environment": [{"vars": {"A": "$prev{A:-}"}, "extend": False}],
    "working_directory": "/w",
    "mounts": [
        {"type": "bind", "mount_point": "/m", "local_path": "l", "read_only": True},
        {"type": "devices", "devices": ["null", "tty"]},
        {"type": "tmp", "mount_point": "/t", "size": 5},
        {"type": "proc", "mount_point": "/proc"},
    ],
    "network": "loopback",
    "seccomp": "off",
    "user": 3,
    "limits": {"open_files": 99},
}


def through_json(document):
    return json.loads(json.dumps(document))


@pytest.mark.parametrize(
    "spec",
    [parse_container(EVERYTHING), parse_container({"parent": "p"}), parse_container({}), image_container("docker://a")],
)
def test_containers(spec):
    assert parse_container(through_json(container_document(spec))) == spec


def test_the_sealed_container(tmp_path):
    spec = sealed_container(tmp_path, environ={"A": "$"})
    assert parse_container(through_json(container_document(spec))) == spec


def test_jobs():
    fields = {"program": "p", "arguments": ["a"], "timeout": 2.5, "slots": 2, "stdin": "text", "out": "d"}
    spec = parse_job({**EVERYTHING, **fields})
    assert parse_job(through_json(job_document(spec))) == spec
    assert job_document(JobSpec(container=parse_container({}), program="p")) == {"program": "p"}


def test_me4_changes_may_set_and_add_and_name_no_origin():
    changes = parse_changes({"layers": [{"tar": "a"}], "added_layers": [{"tar": "b"}], "user": 3})
    assert container_document(changes) == {"layers": [{"tar": "a"}], "added_layers": [{"tar": "b"}], "user": 3}
