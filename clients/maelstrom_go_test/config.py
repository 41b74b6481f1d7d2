"""What can be configured of maelstrom-go-test.

For `--help`, too, so it must be cheap: imports nothing but declarations of configurations.
"""

from __future__ import annotations

from maelstrom_core.config import Program, Value
from maelstrom_core.config_kinds import Flag, Text, TextList
from maelstrom_test_runner.config import RunnerConfig, isolation_value

PROGRAM = Program("maelstrom-go-test", "maelstrom-go-test")
FILE_NAME = "maelstrom-go-test.toml"


class GoConfig(RunnerConfig):
    """What can be configured."""

    vet = Value(
        Text(),
        "What `go vet` checks before a binary is built: a list, `all` or `off`.",
        default=None,
        default_text="go's",
    )
    short = Value(Flag(), "Tell tests to be short, as go test's -short.", default=False)
    isolation = isolation_value("package")
    cache = Value(
        Flag(),
        "Do not run tests that have passed while nothing that they could see has changed; --repeat and -count do.",
        default=False,
    )
    fullpath = Value(Flag(), "Show full file names in messages, as go test's -fullpath.", default=False)
    race = Value(Flag(), "Build with the race detector, as go test's -race.", default=False)
    tags = Value(Text(), "Build tags, comma-separated, as go test's -tags.", default=None)
    build_flags = Value(
        TextList(), "Further flags of `go build`, such as `-ldflags=-s`, for all that go is asked.", default=()
    )
    extra_test_binary_args = Value(TextList(), "Arguments for the test binaries, before those behind `--`.", default=())
