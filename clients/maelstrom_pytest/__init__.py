"""maelstrom-pytest: every test of a pytest suite in its own container."""
