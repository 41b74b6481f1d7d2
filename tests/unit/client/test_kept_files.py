"""Where files can be brought back from, and what is said of those that cannot."""

from __future__ import annotations

import pytest

from maelstrom_client.kept_files import check_place
from maelstrom_core.errors import SpecError
from maelstrom_core.job import Container, HostTree
from maelstrom_core.spec import BindMount, ProcMount, TmpMount

CONTAINER = Container(
    layers=(HostTree("/tmp/project", "/tmp/project"), HostTree("/usr", "/usr")),
    mounts=(TmpMount("/tmp"), ProcMount("/proc"), BindMount("/data", "/srv/data"), TmpMount("/tmp/project/scratch")),
    writable=True,
)


@pytest.mark.parametrize("path", ["/", "/srv", "/usr/share", "/tmp/project", "/tmp/project/deep", "/tmpfoo"])
def test_the_root_and_trees_are_kept_also_those_that_lie_on_a_mount(path: str) -> None:
    check_place(path, CONTAINER)


@pytest.mark.parametrize("path", ["/tmp", "/tmp/other", "/proc/self", "/tmp/project/scratch/x"])
def test_what_is_mounted_goes_with_the_job(path: str) -> None:
    with pytest.raises(SpecError, match="goes with the job"):
        check_place(path, CONTAINER)


def test_what_is_bound_is_there_already() -> None:
    with pytest.raises(SpecError, match="/data is bound to /srv/data"):
        check_place("/data/x", CONTAINER)
