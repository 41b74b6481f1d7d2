"""How the jobs of a run are made: forks of which template, or an interpreter of their own. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from maelstrom_core.spec import JobSpec, TemplateSpec
from maelstrom_pytest import plan as planning
from maelstrom_pytest.loaded import Loaded
from maelstrom_pytest.records import Item
from maelstrom_pytest.rules import Site
from maelstrom_pytest.works import Work, ranked
from maelstrom_test_runner.history import Past

ACCIDENTS = 3
"""How often in a row, without a fork between them, the templates of a file may die before it has none any more."""


class Jobs:
    """Makes jobs, and knows what can be forked."""

    def __init__(self, past: Callable[[Item], Past | None], urgent: Callable[[str], bool]) -> None:
        self.forks: int | None = None
        """How many there will be, about."""
        self.stages: dict[tuple[int, str], planning.Stage] = {}
        """From which template the tests of a file at a site are forked."""
        self.loaded = Loaded()
        self._templates: dict[tuple[int, planning.Stage], TemplateSpec] = {}
        self._unforkable: set[tuple[int, str]] = set()
        self._accidents: Counter[tuple[int, str]] = Counter()
        self._past = past
        self._urgent = urgent

    def make(self, work: Work) -> tuple[JobSpec, bytes]:
        """Return the job for some tests, and its input."""
        site = work.site
        if work.template is not None:
            return planning.fork(site.container, work.template, timeout=None), planning.fork_request(())
        if site.plan.templates and work.prune and not work.cold and not any(item.alone for item in work.items):
            files = _files(work)
            stages = {self.stages[file] for file in files}
            stage = stages.pop() if len(stages) == 1 else ()
            if not self._unforkable & files and all(item.file for item in work.items):
                template, grace = self.template(site, stage), planning.grace_of(site.plan)
                spec = planning.fork(site.container, template, timeout=work.timeout, grace=grace)
                stdin = planning.fork_request(work.items, site.directory, loaded=self.loaded.asks(template))
                return ranked(spec, work, self._past, self._urgent), stdin
        spec = planning.job(site.plan, site.container, timeout=work.timeout)
        stdin = planning.run_request(site.plan, work.items, site.directory, prune=work.prune)
        return ranked(spec, work, self._past, self._urgent), stdin

    def loading(self, site: Site) -> Work:
        """Return what has the template loaded from which all others are forked."""
        return Work((), site, template=self.template(site, ()))

    def template(self, site: Site, stage: planning.Stage) -> TemplateSpec:
        """Return the template of a stage; always the same one, since it is told from others for each job."""
        place = id(site.plan), stage
        template = self._templates.get(place)
        if template is None:
            template = self._templates[place] = planning.template_of(site.plan, stage, forks=self.forks or 0)
        return template

    def was_forked(self, work: Work) -> None:
        """Take note that tests were forked: what befell their template before counts no more."""
        if self._accidents:
            for file in _files(work):
                self._accidents.pop(file, None)

    def not_forked(self, work: Work, *, accident: bool) -> bool:
        """Take note that tests were not forked; tell whether those of their files will be no more."""
        files = _files(work)
        if accident:
            self._accidents.update(files)
            files = {file for file in files if self._accidents[file] >= ACCIDENTS}
        self._unforkable |= files
        return bool(files)


def _files(work: Work) -> set[tuple[int, str]]:
    return {(id(work.site), item.file) for item in work.items}
