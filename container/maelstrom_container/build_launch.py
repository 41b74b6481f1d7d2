"""Builds `maelstrom_container._launch` from the C files beside it: run by setuptools, never imported by the product."""

import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
FOLDER = "container/maelstrom_container"

builder = FFI()
SOURCES = ("launch", "child", "capture", "passed", "forked", "kept", "release", "standby", "syscalls", "files")
for header in ("launch.h", "files.h"):
    # cffi's parser knows C declarations but neither comments with apostrophes nor the preprocessor
    builder.cdef(re.sub(r"/\*.*?\*/|^#.*?$", "", (HERE / header).read_text(), flags=re.DOTALL | re.MULTILINE))
builder.set_source(
    "maelstrom_container._launch",
    '#include <stdint.h>\n#include "launch.h"\n#include "files.h"\n',
    sources=[f"{FOLDER}/{name}.c" for name in SOURCES],
    include_dirs=[FOLDER],
    depends=[f"{FOLDER}/{name}.h" for name in ("confine", "files", "internal", "launch", "raw", "steps", "template")],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"],
)
