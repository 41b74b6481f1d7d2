"""What `cargo maelstrom --init` writes, as far as it is not the same for all runners."""

from __future__ import annotations

from maelstrom_test_runner.default_file import Particulars, contents

VALUES = """\
# Do not run the examples in documentation.
#doc-tests = false
"""
CONTENTS = contents(
    Particulars(
        program="cargo-maelstrom",
        command="cargo maelstrom",
        project="project",
        isolation="test (nothing), auto (cheap tests of a binary), binary (all of one)",
        values=VALUES,
        meant="",
        filters=(
            "name, package, binary, benchmark, example, test with .equals .contains .starts_with\n"
            "# .ends_with .matches .globs; library, binary, benchmark, example, test, doc"
        ),
        network="package.equals(client) && test",
        slow="name.starts_with(database::)",
        broken="name.contains(broken)",
        other="package.equals(compatibility)",
        shown="project and what is built of it",
        image="docker://debian:bookworm-slim",
    )
)
