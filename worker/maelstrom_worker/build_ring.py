"""Builds `maelstrom_worker._ring` from the C files beside it: run by setuptools, never imported by the product."""

import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
FOLDER = "worker/maelstrom_worker"
LAUNCHER = "container/maelstrom_container"

builder = FFI()
for name in ("ring.h", "repeat.h"):
    # cffi's parser knows C declarations but neither comments with apostrophes nor the preprocessor
    builder.cdef(re.sub(r"/\*.*?\*/|^#.*?$", "", (HERE / name).read_text(), flags=re.DOTALL | re.MULTILINE))
builder.set_source(
    "maelstrom_worker._ring",
    '#include <stdint.h>\n#include "ring.h"\n#include "repeat.h"\n',
    sources=[f"{FOLDER}/ring.c", f"{FOLDER}/repeat.c"],
    include_dirs=[FOLDER, LAUNCHER],
    depends=[f"{FOLDER}/ring.h", f"{FOLDER}/repeat.h", f"{LAUNCHER}/launch.h"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"],
)
