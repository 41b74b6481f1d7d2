"""The C parts: pyproject.toml holds everything else (setuptools takes cffi_modules only from here)."""

from setuptools import setup

setup(
    cffi_modules=[
        "container/maelstrom_container/build_launch.py:builder",
        "worker/maelstrom_worker/build_ring.py:builder",
    ]
)
