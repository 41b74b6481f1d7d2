"""Writes the pages of the book that say what programs can be told, from what the programs themselves declare.

python -m ci.docs           writes docs/book/options-*.md
python -m ci.docs --check   ends with 1, and says which, where a page is not what would be written
    python -m ci.docs --requirements    prints what `make docs` has to install
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import click

import maelstrom_admin.cli
import maelstrom_admin.config
import maelstrom_broker.__main__
import maelstrom_broker.config
import maelstrom_core.config_click
import maelstrom_pytest.cli
import maelstrom_pytest.config
import maelstrom_run.cli
import maelstrom_run.config
import maelstrom_worker.__main__
import maelstrom_worker.config
from maelstrom_core.config import Config, Program, Value
from maelstrom_core.config_kinds import Flag

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "docs" / "book"
HEAD = """\
<!-- Written by `python -m ci.docs`, from what the program declares. Do not edit. -->

# All options of {name}

`{name} --help` says the same. How values are given, and which goes first: [configuration](configuration.md).
"""
VALUES = """
## Values of the configuration

Each can be an option, an environment variable, or a key of a configuration file. The variable is `{own}` or
`{general}` and the key in capitals, with `_` for `-`: `{own}{example}`.
"""
OPTIONS = """
## Options of the command line only
"""


def main(arguments: Sequence[str]) -> int:
    """Write or check the pages; return the exit code."""
    match arguments:
        case []:
            for path, text in pages().items():
                path.write_text(text)
        case ["--check"]:
            wrong = [path.name for path, text in pages().items() if not path.exists() or path.read_text() != text]
            if wrong:
                print(f"not what the programs say: {', '.join(wrong)}; run python -m ci.docs", file=sys.stderr)
                return 1
        case ["--requirements"]:
            settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
            print(*settings["project"]["optional-dependencies"]["docs"], sep="\n")
        case _:
            print("usage: python -m ci.docs [--check | --requirements]", file=sys.stderr)
            return 2
    return 0


def pages() -> dict[Path, str]:
    """Return the text of each page that is written."""
    pytest, run = maelstrom_pytest.config, maelstrom_run.config
    broker, worker = maelstrom_broker.config, maelstrom_worker.config
    admin = maelstrom_admin.config
    return {
        BOOK / "options-admin.md": page(admin.PROGRAM, admin.AdminConfig, maelstrom_admin.cli.commands()[0]),
        BOOK / "options-broker.md": page(broker.PROGRAM, broker.BrokerConfig, broker_command()),
        BOOK / "options-worker.md": page(worker.PROGRAM, worker.WorkerConfig, worker_command()),
        BOOK / "options-pytest.md": page(pytest.PROGRAM, pytest.PytestConfig, pytest_command()),
        BOOK / "options-run.md": page(run.PROGRAM, run.RunConfig, run_command()),
    }


def pytest_command() -> click.Command:
    """Return the command line of maelstrom-pytest."""
    return _built(maelstrom_pytest.cli, lambda: maelstrom_pytest.cli.run_cli([]))


def run_command() -> click.Command:
    """Return the command line of maelstrom-run."""
    return _built(maelstrom_run.cli, lambda: maelstrom_run.cli.run_cli([], mock.Mock()))


def broker_command() -> click.Command:
    """Return the command line of maelstrom-broker."""
    return _built(maelstrom_core.config_click, maelstrom_broker.__main__.main)


def worker_command() -> click.Command:
    """Return the command line of maelstrom-worker."""
    return _built(maelstrom_core.config_click, lambda: maelstrom_worker.__main__.run_cli(mock.Mock()))


def page(program: Program, schema: type[Config], command: click.Command) -> str:
    """Return the page of one program."""
    own, general = program.environment_prefixes
    values = schema.schema()
    context = command.make_context(program.name, [], resilient_parsing=True)
    usage = f"\n```text\n{program.name} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    parts = [HEAD.format(name=program.name), usage]
    parts.append(VALUES.format(own=own, general=general, example="SLOTS"))
    parts.append(_table(("key", "option", "default", ""), map(_value_row, values)))
    parts.append(OPTIONS)
    names = {value.name for value in values}
    options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    parts.append(_table(("option", ""), (_option_row(option) for option in options if option.name not in names)))
    return "".join(parts)


def _built(module: object, call: Callable[[], int]) -> click.Command:
    """Return the command that a program makes of its declarations before it runs it."""
    with mock.patch.object(module, "run_command", return_value=0) as runner:
        call()
    command = runner.call_args.args[0]
    if not isinstance(command, click.Command):
        raise TypeError(f"{command} is no command")
    return command


def _value_row(value: Value[object]) -> tuple[str, ...]:
    short = f"`-{value.short}`, " if value.short else ""
    option = f"`--{value.key}`"
    option += f", `--no-{value.key}`" if isinstance(value.kind, Flag) else f" `{value.kind.metavar}`"
    return f"`{value.key}`", short + option, _default(value), value.description


def _default(value: Value[object]) -> str:
    if value.default_text is not None:
        return value.default_text
    if value.factory is not None or value.default is None:
        return ""
    return f"`{value.kind.to_toml(value.default)}`"


def _option_row(option: click.Option) -> tuple[str, ...]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    metavar = "" if option.is_flag or option.name == "help" else f" `{option.metavar}`"
    return names + metavar, option.help or ""


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    # "|" would begin the next cell
    return "\n" + "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
