"""What `--init` writes: a file that changes nothing, with everything that can be said in comments.

Lines that begin with `#` and no space are what to uncomment; tests do so, and read the file then.
"""

from __future__ import annotations

from typing import NamedTuple

CONTENTS = """\
# How {program} runs the tests of this {project}. Remove the `#` of what you want to change.
# It needs none of this: by default each test runs in a container that is this machine, sealed.

# Values that can also be given as options, in the environment, or in the user's own configuration file
# (`{command} --help` names them all). This file goes before the user's, and behind the others.

# The minimal container instead: of this machine what is installed, but neither /etc nor variables; no network; and
# only /tmp and the like can be written to.
#hermetic = true
# Seconds that any test may take; 0 means no limit. It goes before all directives.
#timeout = 300
# How often a test that fails is tried again. One that passes then is FLAKY.
#retries = 2
# How much shares one process and one container: {isolation}.
#isolation = "auto"
{values}
# Directives say something of the tests that their filter means; without a filter, of all tests{meant}.
# A test gets what all directives say that mean it, in the order of this file.
#
# Filters: {filters};
# all, none; joined by && || - ! and parentheses. `{command} --list -i FILTER` shows what one means.

#[[directives]]
#filter = "{network}"
# disabled, loopback (the default), or local: this machine's own
#network = "local"

#[[directives]]
#filter = "{slow}"
# Seconds; 0 means no limit.
#timeout = 60
# How many slots such a test takes.
#slots = 2
# `added_environment` adds to what there is, `environment` replaces it. $env{{NAME}} is a variable of yours,
# $prev{{NAME}} what was said before, both with a default behind `:-`.
#added_environment = {{ DATABASE = "test", TOKEN = "$env{{TOKEN:-none}}" }}
# `added_mounts` adds mounts, `mounts` replaces the usual ones. Relative paths start at this file's directory.
#added_mounts = [{{ type = "tmp", mount_point = "/var/lib/database" }}]
# `added_layers` adds files where nothing of this machine is shown, `layers` replaces what is shown of it. The
# {shown} are there in any case.
#added_layers = [{{ stubs = ["/srv/database/"] }}]

#[[directives]]
#filter = "{broken}"
# Not run, and reported as ignored.
#ignore = true

# With `image` or `parent` a directive begins a container of its own.
#[[directives]]
#filter = "{other}"
#parent = "old"

# Containers with a name, to be parents of others.
#[containers.old]
#image = "{image}"
#enable_writable_file_system = false
#limits = {{ open_files = 256 }}
"""


class Particulars(NamedTuple):
    """What is particular to a runner: lines of values, words within lines, and filters as examples."""

    program: str
    command: str
    project: str
    """What its tests belong to."""
    isolation: str
    values: str
    """Lines about further values."""
    meant: str
    """What directives without a filter are about beside tests."""
    filters: str
    network: str
    slow: str
    broken: str
    other: str
    shown: str
    """What there is in every container."""
    image: str


def contents(particulars: Particulars) -> str:
    """Return the file of a runner."""
    return CONTENTS.format(**particulars._asdict())
