"""What `maelstrom-pytest --init` writes, as far as it is not the same for all runners."""

from __future__ import annotations

from maelstrom_test_runner.default_file import Particulars, contents

CONTENTS = contents(
    Particulars(
        program="maelstrom-pytest",
        command="maelstrom-pytest",
        project="project",
        isolation="test, function, class, module, session, auto",
        values="",
        meant=", and of the container\n# in which they are collected",
        filters=(
            "name, node_id, file, package with .equals .contains .starts_with .ends_with .matches .globs;\n"
            "# markers.contains"
        ),
        network="markers.contains(network)",
        slow="file.starts_with(tests/database/)",
        broken="markers.contains(broken)",
        other="package.equals(tests.compatibility)",
        shown="interpreter and the project",
        image="docker://python:3.9-slim",
    )
)
