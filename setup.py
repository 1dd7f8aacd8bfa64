"""Extension modules and build switches; everything else is in pyproject.toml.

Switches, each an environment variable set to 1: BPETK_BUILD_DEBUG (no optimisation, bounds checks, asserts),
BPETK_BUILD_SANITIZE (address and undefined-behaviour sanitizers), BPETK_BUILD_TRACE (line coverage of .pyx),
BPETK_BUILD_ANNOTATE (Cython's HTML beside the sources), BPETK_BUILD_STRICT (warnings are errors).
"""

import os
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

MODULES = [
    "_scanner",
    "_normalizer",
    "_added_tokens",
    "_word_table",
    "_counter",
    "_layout",
    "_pairs",
    "_piece_rules",
    "_queue",
    "_token_strings",
    "_merge",
    "_rescan",
    "_survey",
    "_filler_pieces",
    "_loop",
    "_trainer",
    "_encode_rules",
    "_segment_merge",
    "_sp_rules",
    "_character_rules",
    "_missed_segments",
    "_encode_worker",
    "_sp_document",
    "_character_document",
    "_encode_document",
    "_encode_seed",
    "_id_buffer",
    "_encoder",
    "_image",
    "_decoder",
    "_json_outline",
    "_model_reader",
    "_rank_rules",
    "_rank_reader",
    "_tekken_reader",
    "_sp_normalizer",
    "_piece_table",
    "_sp_counter",
    "_piece_writer",
    "_text_walk",
    "_text_survey",
]


def switch(name):
    return os.environ.get(f"BPETK_BUILD_{name}", "0") not in ("", "0")


debug, sanitize, trace = switch("DEBUG"), switch("SANITIZE"), switch("TRACE")
if sys.platform == "win32":
    compile_args, link_args = ["/std:c++17", "/Od" if debug else "/O2", "/EHsc"], []
else:
    compile_args = [
        "-std=c++17",
        "-O0" if debug else "-O3",
        "-g" if debug or sanitize else "-g0",
        "-fvisibility=hidden",
    ]
    compile_args += ["-Wno-unreachable-code", "-Wno-unused-function"]
    link_args = ["-pthread"]
    if sanitize:
        compile_args += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-O1"]
        link_args += ["-fsanitize=address,undefined"]
    if switch("STRICT"):
        # gcc 12 takes its own AVX-512 intrinsics for uses of uninitialised values (gcc bug 105593).
        compile_args += ["-Wall", "-Werror", "-Wno-maybe-uninitialized", "-Wno-uninitialized"]
macros = [("CYTHON_TRACE_NOGIL", "1")] if trace else []
directives = {
    "language_level": 3,
    "boundscheck": debug,
    "wraparound": False,
    "initializedcheck": debug,
    "cdivision": True,
    "binding": True,
    "embedsignature": True,
    "linetrace": trace,
    "freethreading_compatible": True,
}
sources = sorted(glob("src_ext/bpetk/*.p[yx][xd]") + glob("src_ext/native/*.h"))
extensions = [
    Extension(
        f"bpetk.{name}",
        [f"src_ext/bpetk/{name}.pyx"],
        include_dirs=["src_ext"],
        depends=sources,
        language="c++",
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        define_macros=macros,
    )
    for name in MODULES
    if os.path.exists(f"src_ext/bpetk/{name}.pyx")
]
setup(
    ext_modules=cythonize(
        extensions, include_path=["src_ext"], compiler_directives=directives, annotate=switch("ANNOTATE")
    ),
    options={"build_ext": {"parallel": True}},  # as many compilers at a time as there are processors
)
