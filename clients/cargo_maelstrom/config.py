"""What can be configured of cargo-maelstrom.

For `--help`, too, so it must be cheap: imports nothing but declarations of configurations.
"""

from __future__ import annotations

from maelstrom_core.config import Program, Value
from maelstrom_core.config_kinds import FilePath, Flag, Text, TextList
from maelstrom_test_runner.config import RunnerConfig, isolation_value

PROGRAM = Program("cargo-maelstrom", "cargo")
FILE_NAME = "cargo-maelstrom.toml"


class CargoConfig(RunnerConfig):
    """What can be configured."""

    features = Value(TextList(), "Features to build with.", default=(), short="F")
    all_features = Value(Flag(), "Build with all features.", default=False)
    no_default_features = Value(Flag(), "Build without the default features.", default=False)
    profile = Value(Text(), "Build with this profile.", default=None, default_text="test")
    target = Value(Text(), "Build for this target.", default=None, default_text="this machine")
    target_dir = Value(FilePath(), "Directory for what is built.", default=None, default_text="cargo's")
    frozen = Value(Flag(), "Neither change Cargo.lock nor use the network.", default=False)
    locked = Value(Flag(), "Do not change Cargo.lock.", default=False)
    offline = Value(Flag(), "Do not use the network for building.", default=False)
    build_jobs = Value(Text(), "How many processes cargo builds with.", default=None, default_text="cargo's", short="j")
    doc_tests = Value(Flag(), "Run the examples in documentation, all of a package as one test.", default=True)
    isolation = isolation_value("binary")
    coverage = Value(
        Flag(),
        "Measure coverage: build with -C instrument-coverage, and report which lines the tests have run.",
        default=False,
    )
    extra_test_binary_args = Value(TextList(), "Further arguments for each test binary.", default=())
