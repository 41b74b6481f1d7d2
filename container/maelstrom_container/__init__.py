"""A rootless container: layers -> root file system -> launched process.

Imports `maelstrom_core` only.
"""
