"""`--shell TEST`: an interactive shell in the container of one test, with the command at hand that runs it.

The container is that of the test's own job: the same layers, mounts, environment, directory, user and network.
`choose_test`, `command_for` and `shell_job` decide, `run_shell` does it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from maelstrom_core.errors import InfrastructureError, SpecError, UserError
from maelstrom_core.job import ExecutionError, Exited, Outcome, Signaled, SystemFailure
from maelstrom_core.spec import ContainerSpec, JobSpec, WindowSize
from maelstrom_pytest import plan as planning
from maelstrom_pytest.config import PytestConfig
from maelstrom_pytest.plan import Plan
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Rules

if TYPE_CHECKING:
    from maelstrom_client.single import SingleJob
    from maelstrom_pytest.plans import Call
    from maelstrom_pytest.session import Collection
    from maelstrom_worker.nursery import Nursery

BY_SIGNAL = 128
"""What a shell adds to the number of a signal for an exit code."""
SHOWN = 10
"""Tests that are named where several match."""

# The heredoc is a file of its own that nobody sees in the container. What a user's own start-up file would do is done.
_SCRIPT = """\
if command -v bash >/dev/null 2>&1; then
    exec bash --init-file /dev/fd/9 9<<'MAELSTROM-END'
exec 9<&-
[ ! -f ~/.bashrc ] || . ~/.bashrc
history -s -- {command}
MAELSTROM-END
fi
exec sh -i
"""


def choose_test(items: Sequence[Item], test: str, *, selected: bool) -> Item:
    """Return the one item that is meant. Raises UserError where there is none, or where there are several.

    `selected`: pytest was given `test`, and the items are what it made of it. Else a node id is looked for, or what
    stands behind one of its `::`, with or without parameters.
    """
    found = list(items) if selected else _matching(items, test)
    exact = [item for item in found if item.nodeid == test]
    if len(exact) == 1:
        found = exact
    if not found:
        raise UserError(f"failed to open a shell: there is no test {test}", hint="`maelstrom-pytest --list` names them")
    if len(found) > 1:
        names = "".join(f"\n    {item.nodeid}" for item in found[:SHOWN])
        more = f"\n    and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UserError(
            f"failed to open a shell: {len(found)} tests match {test}{names}{more}",
            hint="a shell is for one test: give its whole node id",
        )
    return found[0]


def _matching(items: Sequence[Item], test: str) -> list[Item]:
    def matches(item: Item) -> bool:
        return any(name == test or name.endswith(f"::{test}") for name in (item.nodeid, item.function))

    return [item for item in items if matches(item)]


def command_for(plan: Plan, item: Item, rootdir: str, extra: Sequence[str]) -> str:
    """Return the command line that runs the test in its container, from the directory of the run."""
    path, separator, name = item.nodeid.partition("::")
    there = os.path.relpath(os.path.join(rootdir, path), plan.directory)
    return shlex.join([plan.interpreter.executable, "-m", "pytest", f"{there}{separator}{name}", *extra])


def shell_job(container: ContainerSpec, command: str, size: WindowSize) -> JobSpec:
    """Return the job that is the shell: bash with the command in its history, or else sh."""
    script = _SCRIPT.format(command=shlex.quote(command)) if "\n" not in command else "exec sh -i"
    return JobSpec(container=container, program="/bin/sh", arguments=("-c", script), allocate_tty=size)


def exit_code(outcome: Outcome) -> int:
    """Return the shell's exit code. Raises SpecError and InfrastructureError where there was none."""
    match outcome:
        case Exited(code=code):
            return code
        case Signaled(signal=number):
            return BY_SIGNAL + number
        case ExecutionError(message=message, hint=hint):
            raise SpecError(f"failed to start a shell: {message}", hint=hint)
        case SystemFailure(message=message, hint=hint):
            raise InfrastructureError(f"failed to start a shell: {message}", hint=hint)
        case _:
            raise InfrastructureError("failed to start a shell: the job was cancelled")


def run_shell(config: PytestConfig, call: Call, test: str, nursery: Nursery | None = None) -> int:
    """Find the test, and be its shell; return the exit code. Raises MaelstromError."""
    from maelstrom_client.terminal import check_terminals

    check_terminals()

    from maelstrom_client import ClientOptions, SingleJob, start_nursery

    nursery = nursery or start_nursery()  # that of the shell; the one of the collection is gone by then
    options = ClientOptions(
        project_directory=call.project, slots=1, cache_root=config.cache_root, cache_size=config.cache_size
    )
    with SingleJob(nursery, options) as single:
        selected = (call.directory / test.partition("::")[0]).exists()
        arguments = (test, *call.arguments) if selected else call.arguments
        plan, collection = _collect(config, msgspec.structs.replace(call, arguments=arguments))
        _check(collection, test)
        item = choose_test(collection.items, test, selected=selected)
        rootdir = collection.configured.rootdir if collection.configured else plan.directory
        command = command_for(plan, item, rootdir, call.arguments)
        return _show_shell(config, single, _container(plan, call, item), item, command)


def _container(plan: Plan, call: Call, item: Item) -> ContainerSpec:
    """Return the container of a test. Raises UserError where it is made of an image that is not the plan's."""
    rules = Rules(plan, call.file.directives)
    missing = rules.missing([item])
    if missing:
        raise UserError(
            f"failed to open a shell: {item.nodeid} runs in the image {missing[0]}",
            hint=f"`maelstrom-run --tty --image {missing[0]} -- sh` is a shell there, without the project",
        )
    return rules.site(item).container


def _collect(config: PytestConfig, call: Call) -> tuple[Plan, Collection]:
    from maelstrom_pytest.plans import make_plan
    from maelstrom_pytest.program import collect_alone

    plan = make_plan(config, call, markup=False, width=80, mount_point=planning.GUEST_MOUNT_POINT)
    return plan, collect_alone(config, call, plan)


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


def _show_shell(config: PytestConfig, single: SingleJob, container: ContainerSpec, item: Item, command: str) -> int:
    from maelstrom_client.terminal import TerminalSession, TerminatedError

    notice = (
        f"maelstrom-pytest: a shell in the container of {item.nodeid}, whose changes vanish with it\n"
        f"maelstrom-pytest: this runs the test, and is the last line of the shell's history:\n    {command}\n"
    )
    try:
        with TerminalSession(escape=config.escape_char, notice=notice) as session:
            spec = shell_job(container, command, session.size)
            return exit_code(single.run(spec, {}, attendant=session))
    except TerminatedError as terminated:
        return BY_SIGNAL + terminated.signal
