"""The calls of cargo and rustc on this machine with which a run begins; `processes` hears what they say.

They work while what follows them is imported: must not import asyncio.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cargo_maelstrom.arguments import Choices, build_command, metadata_command
from cargo_maelstrom.config import CargoConfig
from maelstrom_core.errors import UserError
from maelstrom_test_runner.children import Child

if TYPE_CHECKING:
    from maelstrom_test_runner.native_call import NativeCall


def find_program(name: str, environment: Mapping[str, str]) -> str:
    """Return the path of cargo or rustc: that which has called us, or that on PATH. Raises UserError."""
    named = environment.get(name.upper())
    path = named if named and os.path.isabs(named) else shutil.which(named or name, path=environment.get("PATH"))
    if path is None:
        raise UserError(
            f"failed to find {name}: it is not on PATH", hint="https://rustup.rs or the package manager installs it"
        )
    return path


class Calls:
    """What has begun when this is made; to be closed at the end."""

    def __init__(self, config: CargoConfig, call: NativeCall, choices: Choices, *, colour: bool) -> None:
        """Begin. Raises UserError where a program is not there, or cannot be started."""
        self._config, self._call, self._colour = config, call, colour
        self.cargo, self.rustc = (find_program(name, call.environment) for name in ("cargo", "rustc"))
        self._all: list[Child] = []
        try:
            self.build = self.begin_build(choices, None) if self._begins_at_once(choices) else None
            """One of all that is meant, where it is known that all of that is wanted."""
            self.metadata = self._begin([self.cargo, *metadata_command(config, choices)], guarded=False)
            of_target = [f"--target={config.target}"] if config.target else []
            command = [self.rustc, "--print=sysroot", "--print=target-libdir", *of_target]
            self.compiler = self._begin(command, guarded=False)
        except BaseException:
            self.close()
            raise

    def _begins_at_once(self, choices: Choices) -> bool:
        selection, call = self._call.selection, self._call
        chosen = selection.include or selection.exclude or self._config.coverage
        return not (chosen or choices.only_doc or call.listing or call.dry_run)

    def begin_build(
        self,
        choices: Choices,
        only: Sequence[str] | None,
        *,
        config: CargoConfig | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Child:
        """Have cargo build these packages; None: all that the user means. `variables` go before ours."""
        shown = not (self._call.listing or self._call.dry_run)
        command = [self.cargo, *build_command(config or self._config, choices, only, colour=self._colour)]
        environment = {**os.environ, **variables} if variables else None
        return self._begin(command, environment=environment, errors=shown)

    def _begin(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        errors: bool = True,
        guarded: bool = True,
    ) -> Child:
        child = Child(command, self._call.directory, environment=environment, errors=errors, guarded=guarded)
        self._all.append(child)
        return child

    def close(self) -> None:
        """Have them gone."""
        for child in self._all:
            child.close()
