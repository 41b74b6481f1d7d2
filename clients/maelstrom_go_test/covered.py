"""What is said of coverage when all tests have run, and the profile. Writes a file."""

from __future__ import annotations

from collections.abc import Callable

from maelstrom_core.errors import UserError
from maelstrom_core.whole_file import write_whole
from maelstrom_go_test.coverage import document, words
from maelstrom_go_test.runner import GoRunner


def report_coverage(runner: GoRunner, say: Callable[[str], object]) -> None:
    """Say how much of each package was covered, and write the profile, if that is wanted. Raises UserError."""
    if not runner.covered:
        return
    runner.complete_coverage()
    say("\n".join(words(name, merged, runner.measured(name)) for name, merged in runner.covered.items()))
    profile = runner.profile
    if profile is None:
        return
    try:
        write_whole(profile, document(runner.covered, runner.mode).encode(), shared=True)
    except OSError as error:
        raise UserError(
            f"failed to write the profile of coverage to {profile}: {error.strerror}",
            hint="give --coverprofile another path",
        ) from error
