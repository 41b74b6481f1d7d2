"""Containers of images of this machine, through maelstrom-run: what programs see, what is said of bad ones."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.support.images import (
    Blob,
    Image,
    index_of,
    layout_files,
    probe,
    tar,
    two_layers,
    write_archive,
    write_layout,
)
from tests.support.programs import RUN, Programs, Terminal


@pytest.fixture(scope="module", autouse=True)
def static_program() -> None:
    try:
        probe()
    except OSError as error:
        pytest.skip(f"no program can be linked statically here: {error}")


SEEN = ("cat", "kept", "cat", "hidden", "cat", "replaced", "cat", "/opaque/hidden", "cat", "/opaque/own")
AS_SEEN = "lower\nno hidden\nupper\nno /opaque/hidden\nupper\n"


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
@pytest.mark.parametrize("form", ["oci", "oci-archive"])
def test_upper_layers_hide_and_replace_what_is_below(programs: Programs, project: Path, form: str, compression: str):
    write = write_layout if form == "oci" else write_archive
    write(project / "image", {"1": two_layers(compression=compression)})
    done = programs.run(RUN, "--image", f"{form}:image:1", "--", "probe", *SEEN, cwd=project).check(0)
    assert done.out == AS_SEEN
    assert done.err == ""


def test_environment_and_directory_are_those_of_the_image(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    words = ("about", ".", "env", "COLOUR", "env", "HOME", "env", "OURS", "write", "/data/new", "cat", str(project))
    done = programs.run(
        RUN, "--image", "oci:image", "--", "probe", *words, cwd=project, env={"OURS": "x", "COLOUR": "red"}
    ).check(0)
    assert done.out == (f"/data 0 0\nCOLOUR=green\nHOME=/root\nOURS=(unset)\nwrote /data/new\nno {project}\n")


def test_on_a_terminal_the_program_knows_which_one(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    arguments = ("--image", "oci:image", "--tty", "--", "probe", "env", "TERM", "env", "COLOUR")
    with Terminal(programs, RUN, *arguments, cwd=project, env={"TERM": "xterm"}) as terminal:
        assert terminal.wait() == 0
        assert terminal.text.endswith("TERM=xterm\r\nCOLOUR=green\r\n")


def test_a_directory_that_the_image_only_names_is_there(programs: Programs, project: Path):
    config = {"Env": ["PATH=/bin"], "WorkingDir": "/not/in/a/layer"}
    write_layout(project / "image", {"": Image((tar({"bin/probe": probe()}),), config)})
    done = programs.run(RUN, "--image", "oci:image", "--", "probe", "about", ".", cwd=project).check(0)
    assert done.out == "/not/in/a/layer 0 0\n"


def job(*words: str, image: object, **fields: object) -> dict[str, object]:
    return {"image": image, "program": "/bin/probe", "arguments": list(words), **fields}


def test_jobs_use_of_an_image_what_they_say(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    name = "oci:image"
    words = ("about", ".", "env", "COLOUR")
    jobs = [
        job(*words, image=name),
        job(*words, image={"name": name, "use": ["layers"]}),
        job(*words, image={"name": name, "use": ["layers", "user"]}),
        job(*words, image={"name": name, "use": ["layers", "user"]}, group=9),
        job(*words, image=name, working_directory="/opaque", added_environment={"COLOUR": "dark $prev{COLOUR}"}),
        job(*words, image=name, environment={"X": "1"}),
    ]
    done = programs.jobs(*jobs, cwd=project, options=("--slots", "1")).check(0)
    lines = done.out.splitlines()  # of a job together, but of the one first whose container is ready first
    assert sorted(zip(lines[::2], lines[1::2], strict=True)) == sorted(
        [
            ("/data 0 0", "COLOUR=green"),
            ("/ 0 0", "COLOUR=(unset)"),
            ("/ 1234 2345", "COLOUR=(unset)"),
            ("/ 1234 9", "COLOUR=(unset)"),
            ("/opaque 0 0", "COLOUR=dark green"),
            ("/data 0 0", "COLOUR=(unset)"),
        ]
    )


def test_layers_of_a_job_lie_above_those_of_its_image(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    (project / "top.tar").write_bytes(tar({"data/kept": "top\n", "data/.wh.replaced": None}))
    containers = {"containers": {"base": {"image": "oci:image", "added_layers": [{"tar": "top.tar"}]}}}
    own = {"parent": "base", "program": "/bin/probe", "arguments": ["cat", "kept", "cat", "replaced"]}
    assert programs.jobs(containers, own, cwd=project).check(0).out == "top\nno replaced\n"


def test_a_layer_that_an_image_has_twice(programs: Programs, project: Path):
    """Old images hold the same empty layer several times; an overlay takes no directory twice."""
    first, second = two_layers().layers
    again = tar({"data/kept": "again\n"})
    layers = (first, again, second, again, tar({"data/other": "x"}), again)
    write_layout(project / "image", {"": two_layers(layers=layers)})
    done = programs.run(RUN, "--image", "oci:image", "--", "probe", *SEEN, cwd=project).check(0)
    assert done.out == AS_SEEN.replace("lower", "again", 1)


def test_many_jobs_share_an_image_and_its_layers_are_kept_once(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    write_archive(project / "archive", {"": two_layers(compression="zstd", docker=True)})
    names = ["oci:image", "oci-archive:archive"] * 10
    done = programs.jobs(
        *(job("cat", "kept", image=name) for name in names), cwd=project, options=("--cache-root", "c")
    )
    assert done.check(0).out == "lower\n" * 20
    entries = project / "c" / "layers" / "blake3" / "layer"
    assert len([path for path in entries.iterdir() if path.is_dir()]) == 2


def test_index_of_images_for_several_platforms(programs: Programs, project: Path):
    image = two_layers()
    other = image.but(architecture="s390x", config={"Env": []})
    index = index_of(other, image)
    files = layout_files({"": image})
    files[f"blobs/{index.digest.replace(':', '/')}"] = index.data
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [index.descriptor]}).encode()
    (project / "archive").write_bytes(tar(files))
    done = programs.run(RUN, "--image", "oci-archive:archive", "--", "probe", *SEEN, cwd=project).check(0)
    assert done.out == AS_SEEN


def hostile_layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda _: None, "failed to open the image oci:image: {project}/image: No such file or directory"),
        (lambda project: (project / "image").mkdir(), "the image oci:image has no OCI layout"),
        (
            lambda project: write_layout(project / "image", {"": two_layers(architecture="s390x")}),
            "has no image for linux/",
        ),
        (
            lambda project: write_layout(project / "image", {"": Image((hostile_layer(),))}),
            "failed to unpack the layer sha256:",
        ),
        (
            lambda project: write_layout(project / "image", {"": Image((b"x" * 2000,))}),
            "the archive is damaged",
        ),
    ],
)
def test_what_is_wrong_is_said_once_and_clearly(programs: Programs, project: Path, break_it, message: str):
    break_it(project)
    done = programs.run(RUN, "--image", "oci:image", "--", "probe", cwd=project).check(1)
    assert message.format(project=project) in done.single_message
    assert done.out == ""


def change(project: Path, blob: Blob, data: bytes) -> None:
    (project / "image" / "blobs" / blob.digest.replace(":", "/")).write_bytes(data)


def test_a_layer_with_other_contents_than_its_digest_names_is_never_used(programs: Programs, project: Path):
    image = two_layers()
    write_layout(project / "image", {"": image})
    evil = gzip.compress(tar({"data/kept": "evil\n"}))
    blob = image.layer_blobs[1]
    change(project, blob, evil + bytes(len(blob.data) - len(evil)))
    options = ("--cache-root", "c", "--image", "oci:image")
    done = programs.run(RUN, *options, "--", "probe", "cat", "kept", cwd=project).check(1)
    assert "is damaged: the contents of sha256:" in done.single_message
    assert not [path for path in (project / "c" / "layers").rglob("kept") if path.read_text() != "lower\n"]
    assert list((project / "c" / "layers" / "tmp").iterdir()) == []
    change(project, blob, blob.data)
    assert programs.run(RUN, *options, "--", "probe", "cat", "kept", cwd=project).check(0).out == "lower\n"


def test_a_layer_with_other_contents_than_the_configuration_names_is_never_used(programs: Programs, project: Path):
    image = two_layers()
    files = layout_files({"": image})
    other = two_layers().but(layers=(image.layers[0], tar({"data/kept": "evil\n"})))
    manifest = json.loads(other.manifest.data)
    manifest["config"] = image.config_blob.descriptor
    blob = Blob(json.dumps(manifest).encode(), image.manifest.media_type)
    files |= layout_files({"": other}) | {f"blobs/{blob.digest.replace(':', '/')}": blob.data}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [blob.descriptor]}).encode()
    (project / "archive").write_bytes(tar(files))
    options = ("--cache-root", "c", "--image", "oci-archive:archive")  # others may have the right layer already
    done = programs.run(RUN, *options, "--", "probe", cwd=project).check(1)
    assert "its contents are not those that the configuration of the image names" in done.single_message


@pytest.mark.parametrize(
    ("name", "message"),
    [("busybox", "did you mean `docker://busybox`?"), ("docker://A", "`A` cannot be the name of an image")],
)
def test_what_is_no_name(programs: Programs, project: Path, name: str, message: str):
    done = programs.run(RUN, "--image", name, "--", "probe", cwd=project).check(2)
    assert message in done.single_message


def test_a_program_that_the_image_lacks(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    done = programs.run(RUN, "--image", "oci:image", "--", "sh", cwd=project)
    assert done.code
    assert "sh" in done.single_message


def test_files_and_changes_of_a_program_of_an_image_are_kept(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    options = ("--image", "oci:image", "--out", "out", "--capture", "changes.tar")
    programs.run(RUN, *options, "--", "probe", "write", "/data/new", "write", "/top", cwd=project).check(0)
    assert [path.name for path in (project / "out").iterdir()] == ["new"], "the image's working directory is /data"
    later = job("cat", "/data/new", image="oci:image", added_layers=[{"tar": "changes.tar"}])
    kept = (project / "out/new").read_text()
    assert kept.strip() in programs.jobs(later, cwd=project).check(0).out


@pytest.mark.parametrize(
    ("config", "out"),
    [
        ({"Entrypoint": ["probe", "cat"], "Cmd": ["/data/kept"]}, "lower\n"),
        ({"Cmd": ["probe", "about", "."]}, "/ 0 0\n"),
        ({"Entrypoint": ["/bin/probe", "env", "PATH"], "Cmd": None}, "PATH=/bin\n"),
    ],
)
def test_an_image_runs_by_itself_unless_there_is_a_command(programs: Programs, project: Path, config, out: str):
    write_layout(project / "image", {"": two_layers(config={"Env": ["PATH=/bin"], **config})})
    done = programs.run(RUN, "--image", "oci:image", cwd=project).check(0)
    assert (done.out, done.err) == (out, "")
    done = programs.run(RUN, "--image", "oci:image", "probe", "env", "X", cwd=project).check(0)
    assert done.out == "X=(unset)\n"


def test_an_image_that_does_not_say_what_to_run(programs: Programs, project: Path):
    write_layout(project / "image", {"": two_layers()})
    done = programs.run(RUN, "--image", "oci:image", cwd=project).check(1)
    assert "the image oci:image does not say what to run\n  hint: give a command, after `--`" in done.single_message
