"""What `maelstrom-pytest --init` writes: a file that changes nothing, with everything that can be said in comments.

Lines that begin with `#` and no space are what to uncomment; a test does so, and reads the file then.
"""

from __future__ import annotations

CONTENTS = """\
# How maelstrom-pytest runs the tests of this project. Remove the `#` of what you want to change.
# It needs none of this: by default each test runs in a container that is this machine, sealed.

# Values that can also be given as options, in the environment, or in the user's own configuration file
# (`maelstrom-pytest --help` names them all). This file goes before the user's, and behind the others.

# The minimal container instead: of this machine what is installed, but neither /etc nor variables; no network; and
# only /tmp and the like can be written to.
#hermetic = true
# Seconds that any test may take; 0 means no limit. It goes before all directives.
#timeout = 300
# How much shares one process and one container: test, function, class, module, session, auto.
#isolation = "auto"
# How often a test that fails is tried again. One that passes then is FLAKY.
#retries = 2

# Directives say something of the tests that their filter means; without a filter, of all tests, and of the container in
# which they are collected. A test gets what all directives say that mean it, in the order of this file.
#
# Filters: name, node_id, file, package with .equals .contains .starts_with .ends_with .matches .globs;
# markers.contains; all, none; joined by && || - ! and parentheses. `maelstrom-pytest --list -i FILTER` shows what one
# means.

#[[directives]]
#filter = "markers.contains(network)"
# disabled, loopback (the default), or local: this machine's own
#network = "local"

#[[directives]]
#filter = "file.starts_with(tests/database/)"
# Seconds; 0 means no limit.
#timeout = 60
# How many slots such a test takes.
#slots = 2
# `added_environment` adds to what there is, `environment` replaces it. $env{NAME} is a variable of yours,
# $prev{NAME} what was said before, both with a default behind `:-`.
#added_environment = { DATABASE = "test", TOKEN = "$env{TOKEN:-none}" }
# `added_mounts` adds mounts, `mounts` replaces the usual ones. Relative paths start at this file's directory.
#added_mounts = [{ type = "tmp", mount_point = "/var/lib/database" }]
# `added_layers` adds files where nothing of this machine is shown, `layers` replaces what is shown of it. The
# interpreter and the project are there in any case.
#added_layers = [{ stubs = ["/srv/database/"] }]

#[[directives]]
#filter = "markers.contains(broken)"
# Not run, and reported as ignored.
#ignore = true

# With `image` or `parent` a directive begins a container of its own.
#[[directives]]
#filter = "package.equals(tests.compatibility)"
#parent = "old"

# Containers with a name, to be parents of others.
#[containers.old]
#image = "docker://python:3.9-slim"
#enable_writable_file_system = false
#limits = { open_files = 256 }
"""
