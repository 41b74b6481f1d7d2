"""Layers are foreign: links where something is to be mounted, and programs that change who runs them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from maelstrom_core.job import ExecutionError, Exited, LayerDirectory, SystemFailure
from maelstrom_core.spec import Device, DevicesMount, DevptsMount, Mount, ProcMount, TmpMount
from tests.support.pool import Pool, container, shell

OUTSIDE = ("/etc", "../../../../../../../etc", "/proc/1/root/etc", "/proc/self/cwd", "/proc/1/cwd/..")


@pytest.mark.parametrize("target", OUTSIDE)
@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize(
    "mount", [TmpMount("/link"), TmpMount("/link/below"), ProcMount("/link"), DevptsMount("/link/pts")], ids=repr
)
def test_a_link_at_a_mount_point_leads_nowhere_outside(
    pool: Pool, tmp_path: Path, target: str, writable: bool, mount: Mount
) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "link").symlink_to(target)
    before = sorted(os.listdir("/etc"))
    within = container(LayerDirectory(str(layer)), mounts=(ProcMount("/proc"), mount), writable=writable)
    outcome = pool.run(shell("cat /proc/self/mountinfo", within=within))
    if isinstance(outcome, Exited):
        seen = outcome.effects.stdout.data.decode()
        assert "scaffold" not in seen.split(" - ")[0]
    else:  # it is said that nothing can be mounted there
        assert isinstance(outcome, ExecutionError | SystemFailure), outcome
    assert sorted(os.listdir("/etc")) == before
    assert not (tmp_path / "below").exists()
    assert isinstance(pool.run(shell("true")), Exited)


@pytest.mark.parametrize("target", ["/etc", "../etc", "../../../../etc"])
@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("writable", [False, True])
def test_a_link_at_a_mount_point_is_followed_inside(
    pool: Pool, tmp_path: Path, target: str, user: int, writable: bool
) -> None:
    """With too many ".." it would lead to the old root, which lies on top while the mounts of a job are made."""
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "link").symlink_to(target)
    within = container(LayerDirectory(str(layer)), mounts=(TmpMount("/link"),), user=user, writable=writable)
    outcome = pool.run(shell("touch /etc/new && ls /etc /link", within=within))
    assert isinstance(outcome, Exited), outcome
    assert outcome.effects.stdout.data == b"/etc:\nnew\n\n/link:\nnew\n"


@pytest.mark.parametrize("name", ["dev", "dev/null", "dev/pts"])
def test_a_link_in_a_layers_dev_is_not_used(pool: Pool, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("untouched")
    layer = tmp_path / "layer"
    (layer / name).parent.mkdir(parents=True)
    (layer / name).symlink_to(secret)
    mounts = (ProcMount("/proc"), DevicesMount((Device.NULL,)), DevptsMount("/dev/pts"))
    outcome = pool.run(
        shell("echo x > /dev/null; ls -l /dev/null", within=container(LayerDirectory(str(layer)), mounts=mounts))
    )
    if isinstance(outcome, Exited):
        assert outcome.effects.stdout.data.startswith(b"c")
    else:
        assert isinstance(outcome, ExecutionError), outcome
    assert secret.read_text() == "untouched"


@pytest.mark.parametrize("user", [0, 1000])
def test_a_program_that_changes_its_user_does_not(pool: Pool, tmp_path: Path, user: int) -> None:
    layer = tmp_path / "layer"
    (layer / "evil").mkdir(parents=True)
    program = shutil.copy("/usr/bin/id", layer / "evil" / "id")
    if os.getuid() == 0:
        os.chown(program, 4321, 4321)
    os.chmod(program, 0o6755)
    within = container(LayerDirectory(str(layer)), user=user, group=user, mounts=(ProcMount("/proc"),))
    for command in (
        "/evil/id -u; /evil/id -g; /evil/id -ru",
        "cp /evil/id /dev/shm/id; chmod 6755 /dev/shm/id; /evil/id -u",
    ):
        outcome = pool.run(shell(command, within=within))
        assert isinstance(outcome, Exited)
        assert set(outcome.effects.stdout.data.decode().split()) == {str(user)}
