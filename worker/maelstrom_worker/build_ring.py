"""Builds `maelstrom_worker._ring` from ring.c: run by setuptools, never imported by the product."""

import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent

builder = FFI()
builder.cdef(re.sub(r"/\*.*?\*/", "", (HERE / "ring.h").read_text(), flags=re.DOTALL))
builder.set_source(
    "maelstrom_worker._ring",
    '#include <stdint.h>\n#include "ring.h"\n',
    sources=["worker/maelstrom_worker/ring.c"],
    include_dirs=["worker/maelstrom_worker"],
    depends=["worker/maelstrom_worker/ring.h"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"],
)
