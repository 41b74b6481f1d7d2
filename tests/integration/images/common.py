"""The image of the tests of registries, and how it is asked for."""

from __future__ import annotations

import random
from pathlib import Path

from maelstrom_container.images.store import RealisedImage
from maelstrom_container.images.tag_lock import FILE_NAME
from maelstrom_core.spec import Reference
from maelstrom_core.spec_parse import IMAGE_USES
from tests.support.images import Image, tar
from tests.support.registry import Request

NOISE = random.Random(1).randbytes(3_000_000)  # does not compress, and is the same in all test processes
IMAGE = Image((tar({"a": "1", "noise": NOISE}), tar({"b": "2"}), tar({"c": "3"})), {"Env": ["A=1"], "User": "7:8"})


def whole(address: str, repository: str, ending: str = "") -> Reference:
    return Reference(f"docker://{address}/{repository}{ending}", IMAGE_USES)


def contents(realised: RealisedImage) -> list[list[str]]:
    return [sorted(path.name for path in Path(layer.path).iterdir()) for layer in realised.layers]


AS_PUSHED = [["a", "noise"], ["b"], ["c"]]


def tag_lock(tmp_path: Path) -> str:
    return (tmp_path / "project" / FILE_NAME).read_text()


def is_first_layer(request: Request) -> bool:
    return IMAGE.layer_blobs[0].digest in request.path
