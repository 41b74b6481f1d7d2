"""The command line of maelstrom-admin: one command for each thing that can be asked of a broker.

maelstrom-admin status | top | jobs | cancel | drain | stop
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from maelstrom_admin.config import PROGRAM, AdminConfig
from maelstrom_core import log
from maelstrom_core.config_click import build_command, run_command
from maelstrom_core.errors import ConfigError, UserError

if TYPE_CHECKING:
    from maelstrom_admin.session import Session

SUMMARY = """Look at a cluster, and change what runs there.

Asks the broker at --broker. status, top and jobs need the token of a monitor in the credentials file, the others that
of an admin."""
NOTHING = 1
"""The exit code where nothing is there that a command was for."""

_STATES = ("running", "assigned", "queued", "artifacts")


def run_cli(arguments: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    return run_command(build_group(), arguments)


def build_group() -> click.Group:
    """Return the program's command line."""
    group = click.Group(PROGRAM.name, help=SUMMARY, context_settings={"help_option_names": ["-h", "--help"]})
    for command in commands():
        group.add_command(command)
    return group


def commands() -> list[click.Command]:
    """Return the commands."""
    limit = click.Option(
        ["-n", "--limit"], type=click.IntRange(1, 1000), default=20, show_default=True, help="Jobs, at most."
    )
    state = click.Option(["--state"], type=click.Choice(_STATES), help="Those in this state only.")
    seconds = click.Option(
        ["--every"], type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="Seconds between two looks."
    )
    count = click.Option(["--count"], type=click.IntRange(1), help="Look so many times; without it, until ^C.")
    jobs = click.Argument(["job"], nargs=-1, metavar="[CLIENT/SEQUENCE]...")
    client = click.Option(["--client"], type=click.IntRange(0), multiple=True, help="All jobs of this client.")
    workers = click.Argument(["worker"], nargs=-1)
    everything = click.Option(["--all"], is_flag=True, help="All workers that are connected.")
    return [
        _command("status", _status, "Show what the broker has in hand: workers, clients, and how many jobs."),
        _command("top", _top, "Show that, and the jobs, over and over, until ^C.", seconds, count, limit),
        _command("jobs", _jobs, "List unfinished jobs, those that run first.", limit, state),
        _command("cancel", _cancel, "Cancel jobs, called as `jobs` lists them.", jobs, client),
        _command("drain", _drain, "Give workers no more jobs: they end what runs, and then go.", workers, everything),
        _command("stop", _stop, "End the broker. Clients and workers wait until one is there again."),
    ]


def _command(name: str, run: Callable[..., int], summary: str, *parameters: click.Parameter) -> click.Command:
    json = click.Option(["--json"], is_flag=True, help="Print JSON, on one line.")
    command = build_command(PROGRAM, AdminConfig, run, summary=summary, parameters=[*parameters, json])
    command.name = name
    return command


def _session(config: AdminConfig, *, change: bool) -> Session:
    from maelstrom_admin.session import Session
    from maelstrom_core.config_cluster import endpoint_of
    from maelstrom_core.credentials import read

    log.listen(config.log_level)
    if config.broker is None:
        raise ConfigError("there is no broker to ask", hint="say where it is with --broker HOST:PORT")
    admin = change or not read(config.credentials).monitor
    role: Any = "admin" if admin else "monitor"
    endpoint = endpoint_of(config, role)
    assert endpoint is not None  # noqa: S101 - there is a broker
    return Session(endpoint, role)


def _status(config: AdminConfig, *, json: bool) -> int:
    with _session(config, change=False) as session:
        status = session.status()
    if json:
        _print_json(status)
    else:
        from maelstrom_admin.tables import print_status

        print_status(status)
    return 0


def _top(config: AdminConfig, *, every: float, count: int | None, limit: int, json: bool) -> int:
    from maelstrom_admin import top

    with _session(config, change=False) as session:
        if json or not sys.stdout.isatty():
            return top.write(session, _print_json if json else None, every=every, count=count, limit=limit)
        return top.show(session, every=every, count=count, limit=limit)


def _jobs(config: AdminConfig, *, limit: int, state: str | None, json: bool) -> int:
    with _session(config, change=False) as session:
        jobs = session.jobs(limit, state)
    if json:
        _print_json(jobs)
    else:
        from maelstrom_admin.tables import print_jobs

        print_jobs(jobs)
    return 0


def _cancel(config: AdminConfig, *, job: tuple[str, ...], client: tuple[int, ...], json: bool) -> int:
    from maelstrom_core.messages import CancelJob

    wanted = [CancelJob(number) for number in client] + [CancelJob(*_job(text)) for text in job]
    if not wanted:
        raise UserError("no job is given", hint="`maelstrom-admin jobs` lists them; --client N means all of one")
    with _session(config, change=True) as session:
        count = sum(session.do(message) for message in wanted)
    return _told(count, "jobs", "cancelled", json=json)


def _drain(config: AdminConfig, *, worker: tuple[str, ...], json: bool, **given: bool) -> int:
    from maelstrom_core.messages import Drain

    if given["all"] == bool(worker):
        raise UserError(
            "say which workers to drain", hint="by their names, or --all; `maelstrom-admin status` lists them"
        )
    with _session(config, change=True) as session:
        count = sum(session.do(Drain(name)) for name in worker or ("",))
    return _told(count, "workers", "draining", json=json)


def _stop(config: AdminConfig, *, json: bool) -> int:
    from maelstrom_core.messages import StopBroker

    with _session(config, change=True) as session:
        session.do(StopBroker())
        session.wait_for_end()
    return _told(1, "brokers", "stopped", json=json)


def _job(text: str) -> tuple[int, int]:
    client, _, sequence = text.partition("/")
    if not (client.isascii() and client.isdigit() and sequence.isascii() and sequence.isdigit()) or len(text) > 30:
        raise UserError(f"`{text}` is not a job", hint="jobs are called CLIENT/SEQUENCE: two numbers")
    return int(client), int(sequence)


def _told(count: int, what: str, how: str, *, json: bool) -> int:
    if json:
        _print_json({what: count})
    else:
        click.echo(f"{count} {what[:-1] if count == 1 else what} {how}")
    return 0 if count else NOTHING


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.encode(value).decode(), flush=True)  # noqa: T201 - this is what it is for
