"""`--dry-run`: what would be run, as a stream of objects that maelstrom-run reads, and that runs the tests.

Each container once, with a name, then the jobs in it, one for each test, as without a template. The caller's variables
are referred to, not shown. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_core.spec import ContainerSpec, EnvironmentElement
from maelstrom_core.spec_write import container_document, job_document
from maelstrom_pytest import plan as planning
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Rules, Site


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
        job = job_document(msgspec.structs.replace(spec, stdin=request, slots=site.slots))
        yield json.dumps({"parent": names[site], **job})


def _container(site: Site, item: Item) -> dict[str, object]:
    if site.plan.image is not None:
        raise UserError(
            f"failed to write down the job of {item.nodeid}: it runs in the image {site.plan.image.name}, and what pip "
            "has installed for it is in a layer that no file can name",
            hint="exclude such tests with --exclude",
        )
    assert isinstance(site.container.environment, tuple)  # noqa: S101 - for the type checker
    variables = tuple(_referring(element, site.plan.environment) for element in site.container.environment)
    return container_document(msgspec.structs.replace(site.container, environment=variables))


def _referring(element: EnvironmentElement, caller: Mapping[str, str]) -> EnvironmentElement:
    """Return the same variables, but those of the caller by their names only: their values may be nobody's business."""
    return EnvironmentElement(
        {
            name: f"$env{{{name}:-}}"
            if name.isidentifier() and caller.get(name, "").replace("$", "$$") == value
            else value
            for name, value in element.vars.items()
        },
        element.extend,
    )
