"""A cluster in one process, whose time, network and deaths come from a seed: it holds the broker to its word."""
