"""What templates have covered while they loaded: said by few of their jobs, and not lost when those die."""

from __future__ import annotations

import asyncio

from maelstrom_core.job import Effects, Signaled
from maelstrom_pytest.records import Covered
from maelstrom_pytest.running import Run
from tests.unit.pytest_runner.builders import item, plan
from tests.unit.pytest_runner.test_session import END, ENDED, Fake, Log, outcome, passing

ITEMS = [item(f"a.py::t{number}") for number in range(8)]
OTHERS = [item(f"b.py::t{number}") for number in range(8)]


def asked(request):
    return request.get("loaded", True)


def measuring(request):
    covered = {"type": "covered", "lines": {"": {"/a.py": "AQ=="}}, "arcs": {}, "tracers": {}, "loaded": asked(request)}
    tests = [record for index in range(len(request["select"])) for record in passing(index)]
    return outcome(*tests, covered, END, ENDED)


def run(answer, items):
    """Run tests; return what was asked for, and what was heard of coverage."""
    runner, log, heard = Fake(answer), Log(), []

    def hear(_items, transcript):
        heard.extend(transcript.all(Covered))

    asyncio.run(Run(runner, plan(templates=True), log, hear=hear).finish(items))
    assert len(log.verdicts) == len(items)
    return runner.requests, heard


def test_few_jobs_of_each_template_say_what_it_has_covered():
    requests, heard = run(measuring, [*ITEMS, *OTHERS])
    for tests in (ITEMS, OTHERS):
        names = {each.nodeid for each in tests}
        told = [asked(request) for request in requests if request["select"][0][0] in names]
        assert told == [True] * 3 + [False] * 5
    assert len(heard) == 16


def test_a_template_none_of_whose_jobs_lived_to_tell_is_asked_in_the_end():
    requests, heard = run(lambda request: measuring(request) if lives(request) else Signaled(9, Effects()), ITEMS)
    assert requests[-1] == {"mode": "run", "select": []}
    assert [told.loaded for told in heard] == [False] * 5 + [True]


def lives(request):
    return not request["select"] or not asked(request)


def test_where_nothing_is_measured_nobody_is_asked_in_the_end():
    requests, heard = run(lambda _request: outcome(*passing(0), END, ENDED), ITEMS)
    assert (len(requests), heard) == (8, [])
