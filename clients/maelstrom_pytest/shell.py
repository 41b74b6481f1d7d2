"""`--shell TEST`: an interactive shell in the container of one test, with the command at hand that runs it.

The part that is about pytest: which test is meant, where it runs, what runs it there; the rest is in
`maelstrom_test_runner.shells`. `choose_test` and `command_for` decide, `run_shell` does it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from maelstrom_core.errors import UserError
from maelstrom_pytest.config import PROGRAM, PytestConfig
from maelstrom_pytest.plan import GUEST_MOUNT_POINT, Plan
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Rules, base_image
from maelstrom_test_runner import shells
from maelstrom_test_runner.shells import Place, Waiting

if TYPE_CHECKING:
    from maelstrom_pytest.plans import Call
    from maelstrom_pytest.session import Collection
    from maelstrom_test_runner.runner import ImageRunner, Runner
    from maelstrom_worker.nursery import Nursery


def choose_test(items: Sequence[Item], test: str, *, selected: bool) -> Item:
    """Return the one item that is meant. Raises UserError where there is none, or where there are several.

    `selected`: pytest was given `test`, and the items are what it made of it. Else a node id is looked for, or what
    stands behind one of its `::`, with or without parameters.
    """
    found = list(items) if selected else _matching(items, test)
    return shells.only_one(found, test, lambda item: item.nodeid, hint="`maelstrom-pytest --list` names them")


def _matching(items: Sequence[Item], test: str) -> list[Item]:
    def matches(item: Item) -> bool:
        return any(name == test or name.endswith(f"::{test}") for name in (item.nodeid, item.function))

    return [item for item in items if matches(item)]


def command_for(plan: Plan, item: Item, rootdir: str, extra: Sequence[str]) -> str:
    """Return the command line that runs the test in its container, from the directory of the run."""
    path, separator, name = item.nodeid.partition("::")
    there = os.path.relpath(os.path.join(rootdir, path), plan.directory)
    return shlex.join([plan.interpreter.executable, "-m", "pytest", f"{there}{separator}{name}", *extra])


def run_shell(config: PytestConfig, call: Call, test: str, nursery: Nursery | None = None) -> int:
    """Find the test, and be its shell; return the exit code. Raises MaelstromError."""
    from maelstrom_client.terminal import check_terminals

    check_terminals()

    from maelstrom_client import SingleJob, start_nursery
    from maelstrom_client.ready import options_of
    from maelstrom_pytest.plans import in_image

    here = in_image(shells.on_this_machine(config), base_image(call.file.directives, config.image))
    nursery = nursery or start_nursery()  # that of the shell; the one of the collection is gone by then
    with SingleJob(nursery, options_of(here, call.project, None)) as single:
        waiting = Waiting()
        try:
            place = _find(here, call, test, waiting)
        finally:
            waiting.close()
        return shells.open_shell(config, single, place, program=PROGRAM.name)


def _find(config: PytestConfig, call: Call, test: str, waiting: Waiting) -> Place:
    """Collect, choose, and have ready where the test runs."""
    from maelstrom_pytest.plans import make_image_plan, make_plan
    from maelstrom_pytest.program import open_runner

    selected = (call.directory / test.partition("::")[0]).exists()
    whole = msgspec.structs.replace(call, arguments=(test, *call.arguments)) if selected else call
    plan = None
    if config.image is None:
        plan = make_plan(config, whole, markup=False, width=80, mount_point=GUEST_MOUNT_POINT)
    opened = open_runner(config, call.project)

    import asyncio

    from maelstrom_pytest.course import collect_tests

    async def find() -> Place:
        async with opened as runner:
            ours = plan or await make_image_plan(config, whole, cast("ImageRunner", runner), waiting)
            waiting.busy("collecting the tests")
            collection = await collect_tests(config, ours, runner, None)
            _check(collection, test)
            item = choose_test(collection.items, test, selected=selected)
            rules = Rules(ours, call.file.directives)
            await _have_plan(config, whole, runner, waiting, rules=rules, plan=ours, item=item)
            site = rules.site(item)
            rootdir = collection.configured.rootdir if collection.configured else ours.directory
            return Place(item.nodeid, site.container, command_for(site.plan, item, rootdir, call.arguments))

    return asyncio.run(find())


async def _have_plan(
    config: PytestConfig, call: Call, runner: Runner, waiting: Waiting, *, rules: Rules, plan: Plan, item: Item
) -> None:
    """Have the image ready that a test runs in, if it is another one than most run in."""
    from maelstrom_pytest.plans import other_plan

    for image in rules.missing([item], ignored=True):
        rules.add(await other_plan(config, call, runner, waiting, plan=plan, image=image))


def _check(collection: Collection, test: str) -> None:
    """Raise UserError where pytest did not come to an end, or could not load what the test is in."""
    if collection.items and not collection.broken:
        return
    said = [error.text for error in collection.errors]
    if collection.broken and not said:
        # What it has to say of its arguments is on the other stream; the rest is about versions and plugins.
        said = [(collection.error_output or collection.output).decode(errors="replace")]
    text = "\n".join(part.strip() for part in said if part.strip())
    if text:
        raise UserError(f"failed to find the test {test}: pytest says\n{text}")
