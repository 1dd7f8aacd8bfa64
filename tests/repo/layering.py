"""Which module may use which: the rules, and a parser of imports and cimports that applies them.

Every module has a line in a table; a new one has to be given its place here before it can be merged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

# Import nothing of bpetk.
LEAVES = (
    "errors alphabet unicode_tables normalization_tables grapheme_tables splitter_tables sp_scripts machine readable "
    "report"
)
# One for each step that text goes through. A stage imports leaves, never another stage: what joins stages comes later.
STAGES = "corpus pretokenizers splitters special_tokens normalizers post_processors decoders"
VALUES = (
    f"{LEAVES} code_points pattern_syntax custom_pattern tiktoken_pattern split_patterns composition aligned {STAGES} "
    "model character_model compiled_normalizer definition"
)
FILES = f"{VALUES} interop.* model_file"
LIBRARY = (
    f"{FILES} counting trainer pipeline character_pipeline encoding character_places character_decoding streaming "
    "text_files tokenizer_base text_encoding file_encoding id_decoding tokenizer sp_options sp_model sp_normalizers "
    "sp_counting sp_trained sp_trainer sp_encoder sp_decoding "
    "sp_places sp_fragments sp_vocabulary sp_text_encoding sp_tokenizer probe targets reference_libraries token_files "
    "sp_merge_list sp_map_rules sp_to_hf sp_convert convert api"
)

# Module -> modules it may import; `x.*` is all of the package x. Names are relative to bpetk, `.` is bpetk itself.
IMPORTS: dict[str, str] = {
    **dict.fromkeys(LEAVES.split(), ""),
    "code_points": "unicode_tables",
    **dict.fromkeys(STAGES.split(), LEAVES),
    # The patterns of users are one scheme among others, in a module of their own for its size.
    "pattern_syntax": f"{LEAVES} code_points",
    "custom_pattern": f"{LEAVES} code_points pattern_syntax",
    "tiktoken_pattern": f"{LEAVES} custom_pattern",
    "split_patterns": f"{LEAVES} code_points custom_pattern",
    "pretokenizers": f"{LEAVES} code_points custom_pattern",
    "aligned": "",
    "composition": f"{LEAVES} aligned _normalizer",
    "normalizers": f"{LEAVES} aligned composition compiled_normalizer custom_pattern _sp_normalizer",
    "compiled_normalizer": f"{LEAVES} aligned",
    "splitters": f"{LEAVES} aligned code_points custom_pattern split_patterns pretokenizers",
    "special_tokens": LEAVES,
    "post_processors": LEAVES,
    "decoders": f"{LEAVES} custom_pattern",
    "model": VALUES,
    "character_model": VALUES,
    "definition": VALUES,
    "interop.*": (
        f"{VALUES} interop.* _added_tokens _image _json_outline _model_reader _rank_rules _rank_reader _tekken_reader "
        "_piece_table"
    ),
    "interop.image": f"{VALUES} interop.* token_files _image",
    "interop.sentencepiece": f"{VALUES} interop.* trainer sp_trained sp_trainer",
    # Training as SentencePiece does it.
    "sp_options": LEAVES,
    "sp_model": f"{LEAVES} interop.* sp_options",
    "sp_normalizers": f"{LEAVES} interop.* sp_options _sp_normalizer",
    "sp_counting": f"{LEAVES} corpus counting sp_options sp_model _sp_counter _sp_normalizer",
    "sp_files": f"{LEAVES} interop.* sp_options sp_model _piece_writer",
    "sp_trained": f"{LEAVES} interop.* sp_options sp_model sp_normalizers sp_tokenizer sp_files",
    "sp_trainer": (
        f"{LEAVES} corpus trainer sp_options sp_model sp_normalizers sp_counting sp_trained _sp_counter _trainer"
    ),
    # Encoding as SentencePiece does it.
    "sp_decoding": f"{LEAVES} interop.* _piece_table _sp_normalizer",
    "sp_places": f"{LEAVES} sp_encoder",
    "sp_fragments": f"{VALUES} pipeline sp_encoder",
    "sp_vocabulary": f"{LEAVES} interop.* sp_decoding sp_encoder",
    "sp_text_encoding": f"{VALUES} pipeline encoding text_encoding sp_fragments sp_places sp_vocabulary",
    "sp_tokenizer": f"{LEAVES} interop.* model_file id_decoding text_encoding text_files sp_decoding sp_text_encoding",
    "sp_encoder": f"{LEAVES} interop.* _piece_table _sp_normalizer _sp_rules _sp_document _encode_document _encoder",
    "model_file": FILES,
    # Training and encoding do not know each other.
    "counting": f"{LEAVES} corpus pretokenizers custom_pattern _scanner _counter",
    "trainer": f"{VALUES} counting _counter _trainer",
    "pipeline": f"{VALUES} _added_tokens _scanner _encode_rules _encode_document _encoder _id_buffer",
    "character_pipeline": (
        f"{VALUES} pipeline _character_document _character_rules _encode_document _encoder"
    ),
    "encoding": f"{VALUES} pipeline",
    "character_places": f"{VALUES} encoding",
    "character_decoding": f"{VALUES} _decoder",
    "streaming": "",
    "text_files": f"{LEAVES} corpus",
    "tokenizer_base": f"{FILES} pipeline character_pipeline character_decoding",
    "text_encoding": f"{FILES} pipeline encoding character_places tokenizer_base _encoder",
    "file_encoding": f"{FILES} text_files text_encoding",
    "id_decoding": f"{FILES} streaming character_decoding tokenizer_base _decoder",
    "tokenizer": f"{FILES} file_encoding id_decoding sp_tokenizer",
    "probe": f"{LEAVES} corpus text_files",
    "targets": FILES,
    "reference_libraries": f"{FILES} targets",
    "token_files": LEAVES,
    "convert": f"{FILES} probe targets reference_libraries sp_tokenizer sp_convert tokenizer",
    # A model of SentencePiece as other libraries have it.
    "sp_merge_list": f"{LEAVES} interop.*",
    "sp_map_rules": "",
    "sp_to_hf": f"{LEAVES} interop.* sp_encoder sp_merge_list",
    "sp_convert": f"{LEAVES} interop.* probe reference_libraries sp_map_rules sp_to_hf sp_tokenizer tokenizer",
    "api": f"{VALUES} counting trainer tokenizer sp_trained sp_trainer",
    ".": f"{LIBRARY} errors report _scanner",  # the last to say clearly that nothing is built
    # The executable specification: nothing that it specifies, and nothing at run time uses it.
    "reference.*": f"{LEAVES} code_points reference.*",
    # On top. They use the library as its users do.
    "sp_verify": f". {LIBRARY}",
    "sp_verify_encode": f". {LIBRARY}",
    "verify": f". {LIBRARY} sp_verify sp_verify_encode",
    "benchmark.*": f". {LIBRARY} verify benchmark.*",
    "analysis.page.*": f". {LIBRARY} analysis.*",
    "analysis.*": f". {LIBRARY} analysis.*",
    "analysis.text_counts": f". {LIBRARY} analysis.* _text_survey",
    "cli.*": f". {LIBRARY} verify benchmark.* analysis.* cli.*",
    "__main__": "cli.*",
}

# Libraries that bpetk is compared with: never needed by what `import bpetk` loads, asked for inside the function that
# uses them. Display belongs to the command line.
COMPARED = {
    "tokenizers",
    "transformers",
    "tiktoken",
    "sentencepiece",
    "gigabpe",
    "rustbpe",
    "gigatoken",
    "tokie",
}
COMPARED |= {"tuetoken", "awkward"}
DISPLAY = {"click", "rich"}
DISPLAY_USERS = "cli.* __main__"
COMPARED_USERS = "verify sp_verify benchmark.* reference_libraries sp_normalizers"

# Cython. `_engine.pxd` is the state of the merge loop, which the modules below the loop work on; `_trainer` the loop.
STATE = "_native _layout _pairs _piece_rules _queue"
CIMPORTS: dict[str, str] = {
    "_types": "",
    "_native": "",
    "_scanner": "_types _native",
    "_normalizer": "_types _native",
    "_word_table": "_types _native",
    "_counter": "_types _native _word_table _scanner _normalizer",
    "_layout": "_types _native _word_table _counter",
    "_pairs": "_types _native",
    "_piece_rules": "_native",
    "_queue": "_types _native _pairs _piece_rules",
    "_engine.pxd": f"_types {STATE}",
    "_token_strings": "_engine _piece_rules",
    "_merge": f"_types {STATE} _engine",
    "_rescan": f"_types {STATE} _engine",
    "_survey": "_native _layout _engine _rescan",
    "_filler_pieces": f"_types {STATE} _engine _rescan _token_strings",
    "_loop": f"_types {STATE} _engine _merge _rescan _survey _token_strings",
    "_trainer": f"_types {STATE} _counter _engine _filler_pieces _loop _rescan _survey _token_strings",
    "_added_tokens": "_native _scanner",
    "_json_outline": "_native",
    "_text_keys.pxd": "_native _json_outline",
    "_model_reader": "_native _json_outline _text_keys",
    "_rank_rules": "_native",
    "_rank_reader": "_native",
    "_tekken_reader": "_native _rank_reader",
    "_piece_table": "_native",
    "_encode_rules": "_types _native",
    "_segment_merge": "_types _native _encode_rules",
    "_sp_rules": "_native _scanner _encode_rules _segment_merge",
    "_character_rules": "_native _encode_rules _sp_rules",
    "_encode_state.pxd": "_types _native _encode_rules _segment_merge",
    "_missed_segments": "_types _native _encode_rules _segment_merge _encode_state",
    "_encode_worker": "_types _native _scanner _encode_rules _segment_merge _encode_state _missed_segments",
    "_sp_normalizer": "_native _added_tokens",
    "_sp_document": "_native _added_tokens _sp_normalizer _encode_rules _encode_state _encode_worker",
    "_character_document": "_native _sp_normalizer _encode_state _sp_document",
    "_encode_document": "_types _native _scanner _normalizer _added_tokens _encode_state _encode_worker _sp_document "
    "_character_document",
    "_encode_seed": "_types _native _scanner _encode_rules _encode_state _encode_worker",
    "_id_buffer": "_native",
    "_encoder": (
        "_id_buffer _types _native _scanner _encode_rules _segment_merge _encode_state _encode_worker _encode_document "
        "_encode_seed"
    ),
    "_image": "_types _native _encode_rules _encoder",
    "_decoder": "_types",
    "_piece_writer": "",
    "_text_walk": "_native",
    "_text_survey": "_text_walk",
    "_sp_counter": "_native _word_table _counter _added_tokens _sp_normalizer",
}
FOREIGN = ("cpython", "libc", "libcpp", "cython")

# Native headers, lower ones first: each may include what stands before it.
HEADERS = (
    "bits.h cpu.h byte_search.h hash.h mem.h pool.h unicode_tables.h utf.h utf_check.h json_text.h "
    "normalization_tables.h scan_masks.h normalization.h scan_classes.h scan_starts.h scan_blocks.h "
    "pair_ranks.h merge_step.h segment_cache.h cut_blocks.h compiled_map.h sentence_text.h"
).split()


def allows(rule: str, module: str) -> bool:
    """Whether a rule (names with a space between) holds a module."""
    return any(
        module == name or (name.endswith(".*") and f"{module}.".startswith(name[:-1]))
        for name in rule.split()
    )


def rule_for(rules: Mapping[str, str], module: str) -> str | None:
    """Find the rule for a module: its own, or its package's."""
    if module in rules:
        return rules[module]
    return next((rules[f"{p}.*"] for p in (module, module.rpartition(".")[0]) if f"{p}.*" in rules), None)


def module_names(root: Path) -> dict[str, Path]:
    """Give all Python modules of the package in ``root/bpetk`` by name relative to it."""
    names = {}
    for path in sorted((root / "bpetk").rglob("*.py")):
        parts = path.relative_to(root / "bpetk").with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        names[".".join(parts) or "."] = path
    return names


def imports(path: Path, module: str, known: set[str]) -> Iterator[tuple[int, str, bool]]:
    """Give (line, imported module, whether it is imported when the module is) of every import, in any place.

    Modules of bpetk are relative to it and begin with ``bpetk:``.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    deferred = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        or (isinstance(outer, ast.If) and "TYPE_CHECKING" in ast.dump(outer.test))
        for inner in ast.walk(outer)
    }
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = ["bpetk", *(part for part in package.split(".") if part)]
                base = ".".join([*up[: len(up) - node.level + 1], *([base] if base else [])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
            # `from package import name`: a module of that name, or something in the package itself.
            targets = [full if full.removeprefix("bpetk.") in known else base for full in targets]
        else:
            continue
        for target in targets:
            if target == "bpetk" or target.startswith("bpetk."):
                target = f"bpetk:{target.removeprefix('bpetk').removeprefix('.') or '.'}"
            yield node.lineno, target, node not in deferred


def _shown(module: str) -> str:
    return "bpetk" if module == "." else f"bpetk.{module}"


def python_faults(root: Path, rules: Mapping[str, str] = IMPORTS) -> list[str]:
    """Give every import in ``root/bpetk`` that the rules do not allow, as lines for people."""
    modules = module_names(root)
    native = {path.stem for path in (root / "src_ext" / "bpetk").glob("*.pyx")}
    faults = []
    for module, path in modules.items():
        rule = rule_for(rules, module)
        where = path.relative_to(root)
        if rule is None:
            faults.append(f"{where}: {_shown(module)} has no place in the table of layers")
            continue
        for line, target, at_once in imports(path, module, {*modules, *native}):
            top = target.partition(".")[0]
            if target.startswith("bpetk:"):
                name = target.removeprefix("bpetk:")
                if not allows(rule, name):
                    faults.append(f"{where}:{line}: {_shown(module)} must not import {_shown(name)}")
            elif top in COMPARED and (at_once or not allows(COMPARED_USERS, module)):
                faults.append(
                    f"{where}:{line}: {top} may be imported only inside functions of: {COMPARED_USERS}"
                )
            elif top in DISPLAY and not allows(DISPLAY_USERS, module):
                faults.append(f"{where}:{line}: {top} belongs to the command line")
    return faults


_CIMPORT = re.compile(r"^[ \t]*(?:from\s+([\w.]+)\s+cimport\b|cimport\s+([\w., ]+))", re.MULTILINE)
_EXTERN = re.compile(r"^[ \t]*cdef\s+extern\s+from\b", re.MULTILINE)
_PYTHON_IMPORT = re.compile(
    r"^[ \t]*(?:from\s+(bpetk[\w.]*)\s+import\b|import\s+(bpetk[\w.]*))", re.MULTILINE
)
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def cython_faults(root: Path, rules: Mapping[str, str] = CIMPORTS) -> list[str]:
    """Give every cimport, Python import and extern block in ``root/src_ext/bpetk`` that the rules do not allow."""
    folder = root / "src_ext" / "bpetk"
    faults = []
    for path in sorted([*folder.glob("*.pyx"), *folder.glob("*.pxd")]):
        if path.name == "__init__.pxd":
            continue
        text, where = path.read_text(encoding="utf-8"), path.relative_to(root)
        rule = rules.get(path.name, rules.get(path.stem))
        if rule is None:
            faults.append(f"{where}: {path.stem} has no place in the table of layers")
            continue
        for match in _CIMPORT.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            for target in re.split(r"[,\s]+", (match[1] or match[2]).strip()):
                name = target.removeprefix("bpetk.")
                if target.startswith("bpetk."):
                    if name != path.stem and not allows(rule, name):
                        faults.append(f"{where}:{line}: {path.stem} must not cimport {name}")
                elif target.partition(".")[0] not in FOREIGN:
                    faults.append(f"{where}:{line}: {path.stem} must not cimport {target}")
        for match in _PYTHON_IMPORT.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            faults.append(
                f"{where}:{line}: native code must not import the Python module {match[1] or match[2]}"
            )
        if path.name != "_native.pxd" and _EXTERN.search(text):
            faults.append(f"{where}: extern declarations belong into _native.pxd")
    return faults


def header_faults(root: Path, order: list[str] = HEADERS) -> list[str]:
    """Give every header that has no place, or includes one that does not stand before it."""
    faults = []
    for path in sorted((root / "src_ext" / "native").glob("*.h")):
        where = path.relative_to(root)
        if path.name not in order:
            faults.append(f"{where} has no place in the table of headers")
            continue
        lower = order[: order.index(path.name)]
        included = _INCLUDE.findall(path.read_text(encoding="utf-8"))
        faults += [f"{where} must not include {name}" for name in included if name not in lower]
    return faults
