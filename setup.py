"""The C parts: pyproject.toml holds everything else (setuptools takes these only from here)."""

from setuptools import Extension, setup

FOLDER = "container/maelstrom_container"
TEMPLATE_PARTS = (
    "template",
    "template_arena",
    "template_files",
    "template_fork",
    "template_look",
    "template_maps",
    "template_memory",
    "template_point",
    "template_rewind",
    "template_runner",
    "template_watch",
)
TEMPLATE_HEADERS = ("_internal", "_rewind", "_watch")

# Not a module of Python but a library that programs in containers load, whatever C library they have: see template.c.
template = Extension(
    "maelstrom_container._template",
    [f"{FOLDER}/{name}.c" for name in TEMPLATE_PARTS],
    include_dirs=[FOLDER],
    depends=[
        f"{FOLDER}/{name}.h"
        for name in ("confine", "launch", "raw", "steps", *(f"template{part}" for part in ("", *TEMPLATE_HEADERS)))
    ],
    extra_compile_args=[
        *("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"),
        # nothing that calls for a C library, neither by the compiler's own idea
        *("-ffreestanding", "-fno-stack-protector", "-fno-tree-loop-distribute-patterns", "-U_FORTIFY_SOURCE"),
    ],
    extra_link_args=["-nostdlib", "-nostartfiles", "-Wl,-z,defs"],
)

setup(
    cffi_modules=[
        f"{FOLDER}/build_launch.py:builder",
        "worker/maelstrom_worker/build_ring.py:builder",
    ],
    ext_modules=[template],
)
