"""Output that exceeds the inline limit, fetched from the broker, to which the worker has sent it.

An outcome without it is told all the same, and says why: what a job did does not depend on it. Blocking, for threads.
"""

from __future__ import annotations

from functools import partial

from maelstrom_core.artifact_client import ArtifactClient, Dial
from maelstrom_core.errors import MaelstromError
from maelstrom_core.job import REST_HEAD, Outcome, Output, Rest, effects_of, with_effects
from maelstrom_worker.background import Background
from maelstrom_worker.supervisor import Report

ATTEMPTS = 3


def fetch_rest(outcome: Outcome, rest: Rest, most: int, *, dial: Dial, token: str, name: str) -> Outcome:
    """Return an outcome with all its output; `most` is what may be left of each stream, in bytes."""
    effects = effects_of(outcome)
    assert effects is not None  # noqa: S101 - it has a rest
    if not (0 <= rest.stdout <= most and 0 <= rest.stderr <= most):
        return without_rest(outcome, "the worker has kept more than it was to keep")
    size = REST_HEAD + rest.stdout + rest.stderr
    try:
        with ArtifactClient(dial, token, name=name, attempts=ATTEMPTS) as client:
            data = client.fetch(rest.digest, size, last=True)
    except (MaelstromError, OSError) as error:
        return without_rest(outcome, str(error))
    if len(data) != size:
        return without_rest(outcome, f"the broker has {len(data)} bytes of it where {size} were expected")
    middle = REST_HEAD + rest.stdout
    with memoryview(data) as view:
        stdout = _whole(effects.stdout, view[REST_HEAD:middle])
        stderr = _whole(effects.stderr, view[middle:])
    return with_effects(outcome, stdout=stdout, stderr=stderr, rest=None)


def without_rest(outcome: Outcome, reason: str) -> Outcome:
    """Return an outcome that says why the rest of its output is not there."""
    return with_effects(outcome, rest=None, rest_error=reason)


def _whole(output: Output, rest: memoryview) -> Output:
    return Output(b"".join((output.data, rest)), max(0, output.lost - len(rest)))


class RestFetcher:
    """Does it in threads, for a client of this name."""

    def __init__(self, background: Background, dial: Dial, token: str, name: str) -> None:
        self._background = background
        self._fetch = partial(fetch_rest, dial=dial, token=token, name=name)

    def complete(self, outcome: Outcome, most: int, then: Report) -> None:
        """Give an outcome with all its output to `then`, in the loop's thread; at once, if it is all there."""
        effects = effects_of(outcome)
        if effects is None or effects.rest is None:
            then(outcome)
            return

        def fetched(whole: Outcome | None, error: BaseException | None) -> None:
            then(whole if whole is not None else without_rest(outcome, str(error)))

        self._background.run(partial(self._fetch, outcome, effects.rest, most), fetched)
