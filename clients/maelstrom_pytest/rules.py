"""What the project's file says of each test: where it runs, how long, and whether at all.

Tests whose containers are equal have the same `Site`, so they can share jobs and templates whatever else is said of
them. A site with an image can be had when the plan for that image is there (`add`): until then its tests wait.

Pure; images are had ready by `program`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from maelstrom_core.spec import ContainerSpec
from maelstrom_pytest import plan as planning
from maelstrom_pytest.plan import Plan
from maelstrom_pytest.records import Item
from maelstrom_test_runner import containers
from maelstrom_test_runner.directives import Directives, Treatment
from maelstrom_test_runner.filters import SET_MATCHERS, TEXT_MATCHERS, Facts, Language, Selector

LANGUAGE = Language(
    (
        Selector("name", 2, TEXT_MATCHERS),
        Selector("node_id", 2, TEXT_MATCHERS),
        Selector("file", 1, TEXT_MATCHERS),
        Selector("package", 1, TEXT_MATCHERS),
        Selector("markers", 1, SET_MATCHERS),
    )
)


def facts(item: Item) -> Facts:
    """Return what filters can know of a test. Nothing in it needs more than what is known when it is collected."""
    directory = item.module.rpartition("/")[0]
    return {
        "name": item.nodeid.removeprefix(item.module).removeprefix("::").replace("::", "."),
        "node_id": item.nodeid,
        "file": item.module,
        "package": directory.replace("/", "."),
        "markers": frozenset(item.markers),
    }


class Site(msgspec.Struct, frozen=True, eq=False):
    """Where tests run. There is one object for all tests of which this is the same."""

    plan: Plan
    container: ContainerSpec
    requirements: Mapping[str, Any] = {}
    """Of `Treatment`."""
    directory: str | None = None
    """Where they find themselves, if it is not where pytest was called."""


class Rules:
    """What is said of the tests of a run. `timeout` goes before what directives say; 0 means none."""

    def __init__(self, plan: Plan, directives: Directives | None = None, *, timeout: float | None = None) -> None:
        self._directives = directives or Directives()
        self._base = _image(plan)
        self._plans = {self._base: plan}
        self._timeout = timeout if timeout is not None else plan.timeout
        self._nothing = self._directives.treatment({})
        self._images: dict[int, str | None] = {}
        self._by_item: dict[tuple[str, tuple[str, ...]], Treatment] = {}
        self._by_treatment: dict[int, Site] = {}
        self._by_container: dict[bytes, Site] = {}
        self.base = self._site(self._nothing)
        """Where tests run of which nothing particular is said."""

    def add(self, plan: Plan) -> None:
        """Take note that tests can run in an image, or on this machine if there is none."""
        self._plans[_image(plan)] = plan

    def layers(self) -> list[str]:
        """Return the layers with what pip has installed for images, by their names in the cache."""
        return [plan.image.layer for plan in self._plans.values() if plan.image is not None]

    def missing(self, items: Iterable[Item], *, ignored: bool = False) -> list[str | None]:
        """Return the images that tests need and whose plans are not there; None: this machine. Raises SpecError.

        Those of tests that are not to be run count with `ignored` only.
        """
        treatments = {id(each): each for each in map(self._treatment, items) if ignored or not each.ignore}
        names = dict.fromkeys(map(self._image_of, treatments.values()))
        return [name for name in names if name not in self._plans]

    def ready(self, items: Iterable[Item]) -> list[Item]:
        """Return the tests that run, and can. Raises SpecError."""
        return [
            item for item in items if not (said := self._treatment(item)).ignore and self._image_of(said) in self._plans
        ]

    def ignored(self, item: Item) -> bool:
        """Tell whether a test is not to be run."""
        return self._treatment(item).ignore

    def timeout(self, items: Iterable[Item]) -> float | None:
        """Return how long some tests may take together, in seconds."""
        total = 0.0
        for item in items:
            said = self._treatment(item).timeout if self._timeout is None else self._timeout
            if not said:  # nothing is said, or 0
                return None
            total += said
        return total or None

    def site(self, item: Item) -> Site:
        """Return where a test runs; its plan is there. Raises SpecError."""
        return self._site(self._treatment(item))

    def shares(self, items: Iterable[Item]) -> list[tuple[Site, list[Item]]]:
        """Return which tests may share a job, whatever the isolation. Raises SpecError.

        A test whose time is limited shares none with one whose time is not: the time of the job would not be, either.
        """
        items = list(items)
        if items and not self._directives.all and len({item.repetition for item in items}) == 1:
            return [(self.base, items)]
        found: dict[tuple[int, int, bool], tuple[Site, list[Item]]] = {}
        for item in items:
            site = self.site(item)
            key = id(site), item.repetition, self.timeout((item,)) is None
            found.setdefault(key, (site, []))[1].append(item)
        return list(found.values())

    def _treatment(self, item: Item) -> Treatment:
        if not self._directives.all:
            return self._nothing
        key = item.nodeid, item.markers
        found = self._by_item.get(key)
        if found is None:
            found = self._by_item[key] = self._directives.treatment(facts(item))
        return found

    def _image_of(self, said: Treatment) -> str | None:
        if id(said) not in self._images:
            name = containers.image_name(said.container, self._directives.containers, self._base)
            self._images[id(said)] = name
        return self._images[id(said)]

    def _site(self, said: Treatment) -> Site:
        site = self._by_treatment.get(id(said))
        if site is None:
            plan = self._plans[self._image_of(said)]
            container = planning.container(plan, said.container)
            directory = containers.directory(said.container, plan.named)
            key = msgspec.msgpack.encode((container, said.requirements, directory))
            site = self._by_container.setdefault(key, Site(plan, container, said.requirements, directory))
            self._by_treatment[id(said)] = site
        return site


def base_image(directives: Directives, image: str | None) -> str | None:
    """Return the image of containers of which only what holds for all tests is said. Raises SpecError."""
    return containers.image_name(directives.treatment({}).container, directives.containers, image)


def _image(plan: Plan) -> str | None:
    return None if plan.image is None else plan.image.name


def in_shares(items: Sequence[Item], rules: Rules) -> dict[tuple[int, str], planning.Stage]:
    """Return the stage of each file, for each site that its tests run at."""
    members: dict[Site, list[Item]] = {}
    for site, share in rules.shares(items):
        members.setdefault(site, []).extend(share)
    return {
        (id(site), file): stage for site, those in members.items() for file, stage in planning.stages(those).items()
    }
