"""Some tests that share a job, and a job on its way: what `running` keeps of them. Values only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from maelstrom_core.spec import JobSpec, TemplateSpec
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Site
from maelstrom_pytest.verdict import Verdict
from maelstrom_test_runner.history import Past

if TYPE_CHECKING:
    from maelstrom_test_runner.live import LiveOutput


def key(item: Item) -> tuple[str, int]:
    """Return what a test is remembered by."""
    return item.nodeid, item.occurrence


def keys(work: Work) -> tuple[object, ...]:
    """Return what two jobs have in common that do the same."""
    members = tuple((item.nodeid, item.occurrence, item.file, item.alone, item.repetition) for item in work.items)
    return id(work.site), work.timeout, members


def guessed_right(works: Iterable[Work], flights: Iterable[Flight]) -> dict[tuple[object, ...], Work]:
    """Return by their `keys` the jobs that may do the same as one that has begun on a guess: few of very many."""
    firsts = {key(flight.work.items[0]) for flight in flights if flight.work.items}
    return {keys(work): work for work in works if key(work.items[0]) in firsts}


class Work(msgspec.Struct, frozen=True):
    """Some tests that share a job."""

    items: tuple[Item, ...]
    site: Site
    timeout: float | None = None
    """Seconds, for all of them together."""
    prune: bool = True
    cold: bool = False
    """Start an interpreter for them."""
    company: bool = False
    """They share it to save time only: what fails among them is to be confirmed alone."""
    accused: tuple[Item, ...] = ()
    """The test failed in the company of these."""
    verified: Verdict | None = None
    """The test has this verdict already, of a fork; only whether it gets the same now is of interest."""
    debugged: Verdict | None = None
    """The test has this verdict, and is run once more with a debugger."""
    asked: bool = False
    """It came to a breakpoint then."""
    attempts: tuple[Verdict, ...] = ()
    """The test failed in these."""
    lost: int = 0
    """How often the machinery has given them up: that says nothing of the tests, so it is none of their attempts."""
    template: TemplateSpec | None = None
    """There are no items: this template is to be loaded, and to say what that has covered."""

    @property
    def name(self) -> str:
        """What a job goes by for people."""
        first, *others = self.items
        return f"{first.nodeid}, or one of {len(others)} others in its process," if others else first.nodeid


class Flight(msgspec.Struct):
    """A job that was handed to the runner."""

    work: Work
    template: TemplateSpec | None = None
    """What it is forked from."""
    begun: bool = False
    live: LiveOutput | None = None
    """What it writes, if that is shown as it comes."""


def leak_note(item: Item, accused: Sequence[Item]) -> str:
    """Say of a test that failed in the company of others, and passed alone, who may be to blame."""
    first = accused[0].nodeid
    if len(accused) == 1:
        return f"{item.nodeid} failed after {first} in its process and passed alone: that test leaks"
    several = f"{item.nodeid} failed after {len(accused)} other tests in its process and passed alone"
    return f"{several}: one of them leaks, from {first} on"


def cold_note(work: Work, reason: str) -> str:
    """Say of a file why its tests are not forked."""
    return f"the tests of {work.items[0].module} start an interpreter each, since they cannot be forked: {reason}"


def rank(items: Sequence[Item], past_of: Callable[[Item], Past | None], urgent: Callable[[str], bool]) -> int:
    """Return how much some tests are wanted before others: those of urgent files most, then those that failed."""
    failed = any((past := past_of(item)) is not None and past.failed for item in items)
    return 2 * any(urgent(item.file) for item in items) + failed


def most_wanted_first(
    groups: list[tuple[Item, ...]], past_of: Callable[[Item], Past | None] | None, urgent: Callable[[str], bool]
) -> None:
    """Sort some jobs' tests by their rank; there is no `past_of` where nothing has run before."""
    if past_of is None:
        past_of = nothing_past
        files = {item.file for members in groups for item in members}
        if not any(map(urgent, files)):  # all are wanted alike
            return
    groups.sort(key=lambda members: rank(members, past_of, urgent), reverse=True)


def nothing_past(_item: Item) -> None:
    """Say of each test that it has not run before."""


def ranked(spec: JobSpec, work: Work, past_of: Callable[[Item], Past | None], urgent: Callable[[str], bool]) -> JobSpec:
    """Return the job with what is known of how long it will take, and how much it is wanted."""
    past = [past_of(item) for item in work.items]
    known = [each.seconds for each in past if each is not None and each.seconds is not None]
    seconds = sum(known) if len(known) == len(past) else None
    priority = rank(work.items, past_of, urgent)
    return msgspec.structs.replace(spec, estimated_duration=seconds, priority=priority, **work.site.requirements)
