"""`--dry-run`: what would be run, as a stream of objects that maelstrom-run reads, and that runs the tests.

Each container once, with a name, then the jobs in it, one for each test, as without a template. The caller's variables
are referred to, not shown. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_core.spec import ContainerSpec
from maelstrom_core.spec_write import container_document, job_document
from maelstrom_pytest import plan as planning
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Rules, Site
from maelstrom_test_runner.written_jobs import referring


def stream(items: Iterable[Item], rules: Rules) -> Iterator[str]:
    """Yield the objects, each a line; paths in them start at the project's directory.

    Raises UserError for tests in images: what pip installs for them is in a layer that no file can name. SpecError.
    """
    names: dict[Site, str] = {}
    for item in items:
        site = rules.site(item)
        if site not in names:
            names[site] = f"tests-{len(names) + 1}"
            yield json.dumps({"containers": {names[site]: _container(site, item)}})
        spec = planning.job(site.plan, ContainerSpec(), timeout=rules.timeout([item]))
        request = planning.run_request(site.plan, [item], site.directory).decode()
        job = job_document(msgspec.structs.replace(spec, stdin=request, **site.requirements))
        yield json.dumps({"parent": names[site], **job})


def _container(site: Site, item: Item) -> dict[str, object]:
    if site.plan.image is not None:
        raise UserError(
            f"failed to write down the job of {item.nodeid}: it runs in the image {site.plan.image.name}, and what pip "
            "has installed for it is in a layer that no file can name",
            hint="exclude such tests with --exclude",
        )
    return container_document(referring(site.container, site.plan.environment))
