"""`--dry-run`: what would be run, as a stream of objects that maelstrom-run reads, and that runs the tests.

Each container once, with a name, then the jobs in it, one for each test, as without a template. The caller's variables
are referred to, not shown. What pip has installed for an image is in a layer that no file can name: it is bound, from
where it lies in the cache. Pure.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from maelstrom_core.job import LayerDirectory
from maelstrom_core.spec import BindMount, ContainerSpec, StoredLayer
from maelstrom_core.spec_write import container_document, job_document
from maelstrom_pytest import plan as planning
from maelstrom_pytest.image_python import PREFIX
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Rules, Site
from maelstrom_test_runner.written_jobs import referring


def stream(items: Iterable[Item], rules: Rules, places: Mapping[str, str]) -> Iterator[str]:
    """Yield the objects, each a line; paths in them start at the project's directory. Raises SpecError.

    `places` are the directories of layers with what pip has installed for images.
    """
    names: dict[Site, str] = {}
    for item in items:
        site = rules.site(item)
        if site not in names:
            names[site] = f"tests-{len(names) + 1}"
            yield json.dumps({"containers": {names[site]: _container(site, places)}})
        spec = planning.job(site.plan, ContainerSpec(), timeout=rules.timeout([item]))
        request = planning.run_request(site.plan, [item], site.directory).decode()
        job = job_document(msgspec.structs.replace(spec, stdin=request, slots=site.slots))
        yield json.dumps({"parent": names[site], **job})


def places(layers: Iterable[str], find: Callable[[str], LayerDirectory | None]) -> dict[str, str]:
    """Return the directories of layers of the cache, as far as they are there."""
    found = {layer: find(layer) for layer in layers}
    return {layer: directory.path for layer, directory in found.items() if directory is not None}


def _container(site: Site, places: Mapping[str, str]) -> dict[str, object]:
    container = site.container
    if site.plan.image is not None:
        layers, mounts = container.added_layers, container.mounts
        assert isinstance(layers, tuple)  # noqa: S101 - for the type checker
        assert isinstance(mounts, tuple)  # noqa: S101 - for the type checker
        kept = tuple(layer for layer in layers if not isinstance(layer, StoredLayer))
        if site.plan.image.virtual:
            installed = os.path.join(places[site.plan.image.layer], PREFIX.lstrip("/"))
            mounts = (*mounts, BindMount(PREFIX, installed, read_only=True))
        container = msgspec.structs.replace(container, added_layers=kept, mounts=mounts)
    return container_document(referring(container, site.plan.environment))
