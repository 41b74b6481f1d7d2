"""What `maelstrom-go-test --init` writes, as far as it is not the same for all runners."""

from __future__ import annotations

from maelstrom_test_runner.default_file import Particulars, contents

VALUES = """\
# As go test's flags of these names.
#race = true
#short = true
#tags = "integration"
#vet = "off"
# Further flags for whatever go is asked.
#build-flags = ["-ldflags=-s"]
# Arguments for the test binaries.
#extra-test-binary-args = ["-database=test"]
"""
CONTENTS = contents(
    Particulars(
        program="maelstrom-go-test",
        command="maelstrom-go-test",
        project="module",
        isolation="test (nothing), auto (cheap tests of a package), package (all of one)",
        values=VALUES,
        meant=", and of the jobs in\n# which test binaries name their tests",
        filters=(
            "name, package_import_path, package_path, package_name with .equals .contains .starts_with\n"
            "# .ends_with .matches .globs"
        ),
        network="package_path.starts_with(internal/client)",
        slow="name.starts_with(TestDatabase)",
        broken="name.equals(TestBroken)",
        other="package_name.equals(compatibility)",
        shown="repository and go itself",
        image="docker://debian:11-slim",
    )
)
