"""A cluster on hosts of its own, to which chance does what happens to machines: docs/decisions/cluster-tests.md."""
