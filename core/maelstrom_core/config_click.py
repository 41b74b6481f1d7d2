"""The command line of a program, made from the declaration of its configuration.

    command = build_command(PROGRAM, RunConfig, run, summary="...", parameters=[click.Argument(...)])
    exit_code = run_command(command, sys.argv[1:])

`run` gets the configuration and the program's own parameters. The only module of the configuration that imports click:
import it where the program starts, not where it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from maelstrom_core import __version__
from maelstrom_core.config import Config, Program, Value
from maelstrom_core.config_kinds import Flag, TextList
from maelstrom_core.config_sources import ConfigFile, read_files, resolve

C = TypeVar("C", bound=Config)

USAGE_ERROR = 2


def build_command(
    program: Program,
    schema: type[C],
    run: Callable[..., int],
    *,
    summary: str,
    parameters: Sequence[click.Parameter] = (),
    environ: Mapping[str, str] | None = None,
    options_first: bool = False,
    project_files: Callable[[], Sequence[ConfigFile]] = tuple,
) -> click.Command:
    """Return the command of `program`: it calls `run(config, **own)`, whose result is the exit code.

    `parameters` are the program's own arguments and options, passed to `run` by name. With `options_first`
    everything from the first argument on is an argument, as programs that run others want it. `environ` is
    os.environ unless given. `project_files` go before the user's own files, whatever --config-file says.
    """
    values = schema.schema()

    def callback(config_file: str | None, print_config: bool, **given: Any) -> int:
        context = click.get_current_context()
        variables = os.environ if environ is None else environ
        own = {name: setting for name, setting in given.items() if name not in names}
        options = {
            name: given[name] for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        }
        files = [*project_files(), *read_files(program, variables, config_file)]
        resolved = resolve(program, schema, options=options, environ=variables, files=files)
        if print_config:
            click.echo(resolved.render())
            return 0
        return run(resolved.config, **own)

    names = {value.name for value in values}
    return click.Command(
        program.name,
        params=[*parameters, *(_option(program, value) for value in values), *_general_options(program)],
        callback=callback,
        help=summary,
        context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": not options_first},
    )


def run_command(command: click.Command, arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; usage errors are shown, with the exit code 2.

    Not through click's own `main`, which has views of its own about ^C and broken pipes: those are the edge's.
    """
    try:
        with command.make_context(command.name, list(arguments)) as context:
            result = command.invoke(context)
    except click.exceptions.Exit as exit_request:  # after --help and --version
        return exit_request.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE_ERROR
    return result if isinstance(result, int) else 0


def _option(program: Program, value: Value[Any]) -> click.Option:
    names = [f"--{value.key}/--no-{value.key}" if isinstance(value.kind, Flag) else f"--{value.key}"]
    if value.short:
        names.insert(0, f"-{value.short}")
    flag = isinstance(value.kind, Flag)
    return click.Option(
        [*names, value.name],
        type=click.BOOL if flag else click.STRING,
        is_flag=flag,
        default=None,
        multiple=isinstance(value.kind, TextList),
        metavar=None if flag else value.kind.metavar,
        help=f"{value.description} {_notes(program, value)}",
    )


def _notes(program: Program, value: Value[Any]) -> str:
    notes = f"[env: {', '.join(value.variables(program))}]"
    if value.required:
        return f"{notes} [required]"
    default = value.default_text
    if default is None and value.factory is None and value.default is not None:
        default = value.kind.to_text(value.default)
    return f"{notes} [default: {default}]" if default else notes


def _general_options(program: Program) -> list[click.Option]:
    def show_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(f"{program.name} {__version__}")
            context.exit()

    return [
        click.Option(
            ["-c", "--config-file"],
            metavar="PATH",
            help="Read this configuration file only; `-` means none. "
            f"[default: maelstrom/{program.directory}/config.toml in the XDG configuration directories]",
        ),
        click.Option(["-P", "--print-config"], is_flag=True, help="Print the configuration and its sources, and exit."),
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Print version."
        ),
    ]
