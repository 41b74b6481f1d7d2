"""maelstrom-run: runs jobs, given as a stream of JSON objects or as a command, each in its own container."""
