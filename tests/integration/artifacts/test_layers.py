"""Layers that travel: a directory is described, and made again elsewhere, the same; what is there is not fetched."""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maelstrom_client.artifacts import Artifacts, source_of
from maelstrom_container.manifest import Entry, File, make_manifest
from maelstrom_container.store import LayerStore
from maelstrom_container.trees import describe
from maelstrom_container.trees.describe import Described, Describer
from maelstrom_container.trees.look import Source
from maelstrom_container.trees.own_files import OwnFiles
from maelstrom_container.trees.realise import write_tree
from maelstrom_container.trees.tree import encode, make_tree
from maelstrom_core.errors import SpecError
from maelstrom_core.job import HostTree, LayerDirectory
from maelstrom_core.messages import Artifact
from maelstrom_core.spec import TarLayer
from maelstrom_worker.fetcher import Fetcher
from tests.support.brokers import RunningBroker, running_broker
from tests.support.made_trees import PAST, contents, make, names, trees


class Local:
    """Gives what was described on this machine, and remembers what it gave."""

    def __init__(self, *described: Described) -> None:
        self._described = described
        self.given: list[str] = []

    @contextlib.contextmanager
    def once(self, _digest: str) -> Iterator[None]:
        yield

    def _content(self, digest: str) -> bytes:
        self.given.append(digest)
        for each in self._described:
            with contextlib.suppress(KeyError):
                content = each.content(digest)
                data = content.read_bytes() if isinstance(content, Path) else content
                assert blake3(data).hexdigest() == digest
                return data
        raise KeyError(digest)

    def memory(self, digest: str, _size: int) -> bytes:
        return self._content(digest)

    def file(self, digest: str, size: int, descriptor: int) -> None:
        assert os.write(descriptor, self._content(digest)) == size


def realise(described: Described, directory: Path, fetch: Local | None = None, own: OwnFiles | None = None) -> Local:
    """Make a layer in a new directory beside the directory of blobs."""
    blobs = directory.parent / "blobs"
    blobs.mkdir(exist_ok=True, parents=True)
    directory.mkdir()
    fetch = fetch or Local(described)
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        write_tree(described.tree, root, blobs, fetch, own)
    finally:
        os.close(root)
    return fetch


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, trees, max_size=6))
def test_a_tree_that_was_described_and_realised_is_the_same(tree: object) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        make(tree, base / "source", [])
        described = Describer(base / "snapshots").describe(Source(os.fsencode(base / "source")))
        realise(described, base / "layer")
        assert contents(base / "layer") == contents(base / "source")
        again = Describer(base / "snapshots").describe(Source(os.fsencode(base / "source")))
        assert again.artifact == described.artifact
        realised = Describer(base / "snapshots").describe(Source(os.fsencode(base / "layer")))
        assert realised.artifact == described.artifact


def project(path: Path, files: int = 60) -> Path:
    """Make a tree of some size."""
    for number in range(files):
        file = path / f"package{number % 7}" / f"module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%d\n" % number * 2000)
        os.utime(file, ns=(PAST, PAST))
    (path / "large").write_bytes(bytes(range(256)) * 4000)
    return path


def test_the_second_time_only_directories_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(os.fsencode(project(tmp_path / "source")))
    os.utime(tmp_path / "source/large", ns=(PAST, PAST))
    describer = Describer(tmp_path / "snapshots")
    monkeypatch.setattr("maelstrom_container.trees.look.is_settled", lambda _latest: True)
    first = describer.describe(source)
    with monkeypatch.context() as patch:
        patch.setattr("maelstrom_container.trees.describe.read_pack", None)
        patch.setattr("maelstrom_container.trees.describe.digest_of", None)
        assert describer.describe(source).artifact == first.artifact
    (tmp_path / "source/package3/module3.py").write_text("changed = True\n")
    changed = describer.describe(source)
    assert changed.artifact != first.artifact
    assert len(set(changed.named) - set(first.named)) == 1


def test_a_description_that_nobody_wants_any_more_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle: after the first file that is read."""
    describer = Describer(tmp_path / "snapshots")
    read = describe.digest_of

    def stop_then_read(*arguments: Any) -> str:
        describer.stop()
        return read(*arguments)

    monkeypatch.setattr(describe, "digest_of", stop_then_read)
    with pytest.raises(describe.StoppedError):
        describer.describe(Source(os.fsencode(project(tmp_path / "source"))))


def test_what_this_machine_has_is_not_fetched(tmp_path: Path) -> None:
    describer = Describer(tmp_path / "snapshots")
    source = Source(os.fsencode(project(tmp_path / "source", 400)))
    first = describer.describe(source)
    assert sorted(realise(first, tmp_path / "one").given) == sorted(first.named)
    (tmp_path / "source/package3/module3.py").write_text("changed = True\n")
    second = describer.describe(source)
    fetched = realise(second, tmp_path / "two").given
    assert len(fetched) == 1
    assert len(second.named) > 2
    assert contents(tmp_path / "two") == contents(tmp_path / "source")


def test_what_is_installed_here_is_copied_if_it_is_the_same_and_everybodys_to_read(tmp_path: Path) -> None:
    source = project(tmp_path / "source", 100)
    described = Describer(tmp_path / "snapshots").describe(Source(os.fsencode(source), b"usr"))
    machine = tmp_path / "machine"
    project(machine / "usr", 100)
    own = OwnFiles(os.fsencode(machine) + b"/", (b"usr/",))
    assert realise(described, tmp_path / "one/layer", own=own).given == []
    assert contents(tmp_path / "one/layer/usr") == contents(source)
    assert own.taken == sum(path.stat().st_size for path in source.rglob("*") if path.is_file())

    (machine / "usr/package1/module1.py").write_bytes(b"2\n" * 2000)  # as large, and another
    (machine / "usr/large").write_bytes(bytes(256) * 4000)
    fetched = realise(described, tmp_path / "two/layer", own=own).given
    assert len(fetched) == 2 < len(described.named)
    assert contents(tmp_path / "two/layer/usr") == contents(source)
    for path in machine.rglob("*"):
        path.chmod(0o700)  # not for everybody
    secret = OwnFiles(os.fsencode(machine) + b"/", (b"usr/",))
    assert sorted(realise(described, tmp_path / "secret/layer", own=secret).given) == sorted(described.named)
    elsewhere = OwnFiles(os.fsencode(machine) + b"/", (b"opt/",))
    assert sorted(realise(described, tmp_path / "three/layer", own=elsewhere).given) == sorted(described.named)
    assert (secret.taken, elsewhere.taken) == (0, 0)


def test_a_layer_of_the_store_keeps_whiteouts_and_opaque_directories(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "layer.tar", "w") as archive:
        for name in ("etc/.wh.gone", "var/.wh..wh..opq", "var/kept"):
            archive.addfile(tarfile.TarInfo(name))
    with LayerStore(tmp_path / "cache") as store:
        (layer,) = store.realise(TarLayer("layer.tar"), project_directory=tmp_path)
        described = Describer(tmp_path / "snapshots").describe(source_of(layer))
        realise(described, tmp_path / "made")
    assert stat.S_ISCHR((tmp_path / "made/etc/gone").lstat().st_mode)
    assert os.getxattr(tmp_path / "made/var", "user.overlay.opaque") == b"y"
    assert (tmp_path / "made/var/kept").is_file()


def test_a_tree_of_the_host_is_at_its_target_without_what_is_hidden(tmp_path: Path) -> None:
    source = project(tmp_path / "source")
    (source / "package1/secret").write_text("secret")
    (source / ".git").mkdir()
    (source / ".git/config").write_text("secret")
    tree = HostTree(str(source), "/home/user/project", (".git", "package1/secret"))
    realise(Describer(tmp_path / "snapshots").describe(source_of(tree)), tmp_path / "made")
    there = contents(tmp_path / "made/home/user/project")
    assert "package1/module1.py" in there
    assert not {path for path in there if "secret" in path or ".git" in path}


def test_what_is_no_file_is_left_out_and_said(tmp_path: Path) -> None:
    source = project(tmp_path / "source")
    os.mkfifo(source / "pipe")
    described = Describer(tmp_path / "snapshots").describe(Source(os.fsencode(source)))
    assert described.notes.skipped == (str(source / "pipe"),)


NOBODY = 65534


@contextlib.contextmanager
def ordinary_user() -> Iterator[Path]:
    """Yield a directory of whom the test is, for as long as this takes: an ordinary user."""
    with tempfile.TemporaryDirectory() as scratch:
        user = os.geteuid()
        if user == 0:
            os.chown(scratch, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(scratch)
        finally:
            os.seteuid(user)


def test_what_cannot_be_read_is_empty_and_said() -> None:
    with ordinary_user() as directory:
        source = project(directory / "source")
        (source / "package1/module1.py").chmod(0)
        (source / "package2").chmod(0)
        described = Describer(directory / "snapshots").describe(Source(os.fsencode(source)))
        again = Describer(directory / "snapshots").describe(Source(os.fsencode(source)))
        (source / "package2").chmod(0o700)
        assert described.notes.unreadable == (f"{source}/package1/module1.py", f"{source}/package2/")
        assert again.notes == described.notes
        realise(described, directory / "made")
        assert (directory / "made/package1/module1.py").stat().st_size == 0
        assert stat.S_IMODE((directory / "made/package1/module1.py").stat().st_mode) == 0
        assert os.listdir(directory / "made/package2") == []


def test_a_pack_that_holds_other_files_than_the_manifest_says_poisons_nothing(tmp_path: Path) -> None:
    lie = blake3(b"evil").hexdigest()
    node = File(0o644, 0, 4, blake3(b"good").hexdigest())
    data = encode(make_tree(make_manifest({b"x": node}), [(lie, 1)], 100), 100)
    source = Source(os.fsencode(tmp_path))

    class Evil(Local):
        def _content(self, digest: str) -> bytes:
            assert digest == lie
            return b"evil"

    from maelstrom_container.trees.describe import Notes

    described = Described(source, data, Notes())
    with pytest.raises(SpecError, match="/x is not in artifact"):
        realise(described, tmp_path / "made", Evil())
    assert os.listdir(tmp_path / "blobs") == []
    assert isinstance(described.tree.manifest.entries[0], Entry)


# from a client by a broker to a worker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


def sent(broker: RunningBroker, layer: HostTree, directory: Path) -> Artifact:
    """Have a layer in the broker's store."""
    refused: list[tuple[str, str]] = []
    artifacts = Artifacts(
        directory, broker.dial, broker.token, refused=lambda digest, reason, _turn: refused.append((digest, reason))
    )
    artifact = artifacts.offer(layer)
    assert artifacts.offer(layer) == artifact
    described = Describer(directory / "trees").describe(source_of(layer))
    for digest in (artifact.digest, *described.named, "0" * 64):
        artifacts.wanted(digest)
    artifacts.close()
    assert refused == [("0" * 64, "this client has offered nothing of this name")]
    return artifact


def test_ro3_what_the_broker_asks_for_is_sent_and_what_was_never_offered_is_refused_by_name(
    broker: RunningBroker, tmp_path: Path
) -> None:
    source = project(tmp_path / "source")
    refused: list[tuple[str, str]] = []
    artifacts = Artifacts(
        tmp_path / "client", broker.dial, broker.token, refused=lambda digest, why, _turn: refused.append((digest, why))
    )
    digest = artifacts.offer(HostTree(str(source), "/project")).digest
    for asked in (digest, "0" * 64):
        artifacts.wanted(asked)
    artifacts.close()
    assert refused == [("0" * 64, "this client has offered nothing of this name")]
    with broker.artifacts() as client:
        assert blake3(client.fetch(digest, 1 << 20)).hexdigest() == digest


class Counting(Fetcher):
    """Remembers what it fetches."""

    fetched: list[str]

    def memory(self, digest: str, size: int) -> bytearray:
        self.fetched.append(digest)
        return super().memory(digest, size)

    def file(self, digest: str, size: int, descriptor: int) -> None:
        self.fetched.append(digest)
        super().file(digest, size, descriptor)


def test_layers_come_to_a_worker_once_however_many_jobs_want_them(broker: RunningBroker, tmp_path: Path) -> None:
    source = project(tmp_path / "source")
    artifact = sent(broker, HostTree(str(source), "/project"), tmp_path / "client")
    changes: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    found: list[LayerDirectory] = []
    with LayerStore(tmp_path / "cache") as store:
        fetcher = Counting(
            store, tmp_path / "fetched", broker.dial, broker.token, changed=lambda *change: changes.append(change)
        )
        fetcher.fetched = []
        threads = [threading.Thread(target=lambda: found.extend(fetcher.obtain([artifact]))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1
        assert len(found) == 6
        assert len(fetcher.fetched) == len(set(fetcher.fetched)) > 0
        assert contents(Path(found[0].path, "project")) == contents(source)
        assert changes == [((artifact.digest,), ())]
        assert fetcher.holding() == (artifact.digest,)
        for _ in threads:
            fetcher.release([artifact])
        fetcher.close()
    with LayerStore(tmp_path / "cache") as store:
        fetcher = Fetcher(store, tmp_path / "fetched", broker.dial, "no token is needed any more")
        assert fetcher.holding() == (artifact.digest,)
        assert fetcher.obtain([artifact]) == (found[0],)
        fetcher.close()


def test_a_layer_that_was_evicted_is_told_and_made_again_as_another(broker: RunningBroker, tmp_path: Path) -> None:
    one = sent(broker, HostTree(str(project(tmp_path / "one")), "/one"), tmp_path / "client")
    two = sent(broker, HostTree(str(project(tmp_path / "two", 70)), "/two"), tmp_path / "client")
    gone: list[str] = []
    with LayerStore(tmp_path / "cache", target_size=1_500_000) as store:
        fetcher = Fetcher(
            store, tmp_path / "fetched", broker.dial, broker.token, changed=lambda _new, old: gone.extend(old)
        )
        (first,) = fetcher.obtain([one])
        fetcher.obtain([two])
        assert Path(first.path).is_dir()  # it is in use
        assert gone == []
        fetcher.release([one])
        fetcher.obtain([two])
        fetcher._look()
        assert gone == [one.digest]
        (again,) = fetcher.obtain([one])
        assert again.path == first.path
        assert again != first
        fetcher.close()


def test_a_manifest_that_is_wrong_leaves_nothing(broker: RunningBroker, tmp_path: Path) -> None:
    with broker.artifacts() as client:
        client.upload(blake3(b"nonsense").hexdigest(), b"nonsense")
    with LayerStore(tmp_path / "cache") as store:
        fetcher = Fetcher(store, tmp_path / "fetched", broker.dial, broker.token)
        for artifact in (Artifact(blake3(b"nonsense").hexdigest(), True), Artifact("0" * 64)):
            with pytest.raises(SpecError):
                fetcher.obtain([artifact])
        assert fetcher.holding() == ()
        fetcher.close()
    assert os.listdir(tmp_path / "cache/layers/blake3/layer") == []
    assert os.listdir(tmp_path / "cache/layers/tmp") == []
