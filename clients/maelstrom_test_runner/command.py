"""The options of the command line that all test runners have beside their configuration: which tests, and what of them.

For `--help`, too, so it must be cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

SELECTING = ("include", "exclude", "last_failed", "shard", "listing", "dry_run")
"""Those that say which tests, or what to do instead of running them."""

INSTEAD = {
    "init": "--init",
    "replay": "--replay",
    "shell": "--shell",
    "listing": "--list",
    "dry_run": "--dry-run",
}
"""What is done instead of running tests; one of them at a time."""
ONCE = ("init", "replay", "shell")
"""Those that --watch cannot do again and again."""


def check_instead(given: Mapping[str, Any]) -> None:
    """Raise click.UsageError where two things are asked for that exclude each other."""
    asked = [name for name in INSTEAD if given[name] not in {None, False}]
    words = [INSTEAD[name] for name in asked]
    if given["watch"] and any(name in ONCE for name in asked):
        words.insert(0, "--watch")
    if len(words) > 1:
        raise click.UsageError(f"{words[0]} and {words[1]} exclude each other")


def common_parameters(file: str, *, example: str, names: str) -> list[click.Parameter]:
    """Return them; `file` is the project's file for the runner, `names` what --list prints."""
    return [
        click.Option(
            ["-i", "--include"],
            multiple=True,
            metavar="FILTER",
            help=f"Run tests that one of these filters means, such as `{example}`; see docs/book/filters.md.",
        ),
        click.Option(
            ["-x", "--exclude"], multiple=True, metavar="FILTER", help="Run no test that one of these filters means."
        ),
        click.Option(["--last-failed", "--lf"], is_flag=True, help="Run the tests that failed when they ran last."),
        click.Option(["--shard"], metavar="I/N", help="Run the I-th of N parts that take about the same time."),
        click.Option(["-l", "--list", "listing"], is_flag=True, help=f"Print the {names} of the tests, run none."),
        click.Option(
            ["--dry-run"], is_flag=True, help="Print the job of each test, as maelstrom-run reads it, run none."
        ),
        click.Option(
            ["--shell"],
            metavar="TEST",
            help="Open a shell in the container of this test; the end of its name is enough, if no other ends so.",
        ),
        click.Option(["--init"], is_flag=True, help=f"Write a {file} with explanations."),
        click.Option(
            ["-w", "--watch/--no-watch"],
            help="Run again whenever a file of the project changes, what that concerns first, until ^C.",
        ),
        click.Option(
            ["--first"],
            multiple=True,
            metavar="FILE",
            help="Run the tests first that are in this file, or in one called after it. Can be given several times.",
        ),
        click.Option(
            ["--replay"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Show a run again that --report has written, with the same display and reports.",
        ),
    ]
