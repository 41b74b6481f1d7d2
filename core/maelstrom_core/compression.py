"""Zstandard, whose place depends on the version of Python. Imports nothing of the project."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
