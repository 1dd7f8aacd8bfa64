"""``bpetk train``: text in, a tokenizer directory and a short report out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from bpetk.api import check_arguments
from bpetk.api import train as train_tokenizer
from bpetk.cli.console import Console
from bpetk.cli.options import SET_NAMES, training_arguments, training_options
from bpetk.cli.progress import display, notes
from bpetk.cli.report import print_report
from bpetk.model_file import check_target
from bpetk.report import SENTENCEPIECE, TrainReport

_ROLES = ("bos", "eos", "pad", "unk")
_GLOB = frozenset("*?[")


def role_tokens(special: tuple[str, ...], roles: dict[str, str]) -> tuple[str, ...]:
    """Add the tokens of roles to the special tokens: specials, then bos, eos, pad, unk, each text once."""
    return tuple(dict.fromkeys([*special, *(roles[name] for name in _ROLES if name in roles)]))


def default_output(files: tuple[str, ...], vocab_size: int, suffix: str = "") -> Path:
    """Name the output after the corpus: ``./<corpus>-bpe-<N>``, with a suffix if it is a file.

    A glob is named after the folder it looks into; several inputs after the first, with the number of the
    others.
    """
    name = files[0]
    path = Path(name)
    while _GLOB & set(path.name) and not Path(name).exists():
        path = path.parent
    if name == "-":
        stem = "stdin"
    else:
        path = path.resolve() if path.name in ("", "..") else path
        stem = path.name if path.is_dir() else path.stem
    more = f"+{len(files) - 1}" if len(files) > 1 else ""
    return Path(f"{stem or 'corpus'}{more}-bpe-{vocab_size}{suffix}")


@click.command(epilog=SET_NAMES)
@training_options
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    help="Output folder; with sentencepiece-bpe the .model file, or a folder for it. Default: ./<corpus>-bpe-<N>.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Write into an output folder that holds other things (these stay), or over a .model.",
)
@click.option(
    "--bos", metavar="T", help="Token that begins a text; like the next three also a special token."
)
@click.option("--eos", metavar="T", help="Token that ends a text.")
@click.option("--pad", metavar="T", help="Token that fills up a batch.")
@click.option("--unk", metavar="T", help="Token for the unknown; byte-level models never need it.")
@click.option(
    "--json", "as_json", is_flag=True, help="Report as JSON on stdout, progress as JSON lines on stderr."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors; with --json the report stays.")
@click.pass_context
def train(
    context: click.Context,
    /,
    *,
    files: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a tokenizer on text files, folders, globs, or standard input (-).

    Writes a folder that tokenizers and transformers load: tokenizer.json, tokenizer_config.json,
    manifest.json and, where the scheme allows, vocab.json and merges.txt. With --algorithm
    sentencepiece-bpe it writes the .model and the .vocab that sentencepiece 0.2.3 writes for the same
    options, byte for byte; options of its trainer are given with --set.

    \b
    Examples:
      bpetk train corpus.txt --vocab 32000
      bpetk train zh/ 'en/*.txt' --vocab 64000 --scheme o200k --eos '<|endoftext|>' --out my-tokenizer
      bpetk train corpus.txt --vocab 32000 --algorithm sentencepiece-bpe --set byte_fallback=true -o m.model
    """
    context.obj["json"] = as_json
    if out == "":
        raise click.UsageError("--out must not be empty; leave it out for a name after the corpus.")
    roles = {name: value for name in _ROLES if (value := options.pop(name)) is not None}
    arguments = training_arguments(**options)
    if options["algorithm"] == SENTENCEPIECE:
        report, target = _train_sentencepiece(files, out, arguments, overwrite, as_json=as_json, quiet=quiet)
    else:
        if out is not None and out.endswith(".model") and not Path(out).is_dir():
            raise click.UsageError(
                f"--out {out}: a .model is a file of SentencePiece; pass --algorithm sentencepiece-bpe to train one. "
                "This training writes a folder; name it without .model."
            )
        arguments["special_tokens"] = role_tokens(arguments["special_tokens"], roles)
        target = Path(out) if out else default_output(files, arguments["vocab_size"])
        check_arguments(**arguments)
        check_target(target, overwrite)  # an hour of training must not end in a refusal
        with notes(as_json=as_json, quiet=quiet), display(as_json=as_json, quiet=quiet) as progress:
            tokenizer = train_tokenizer(files, progress=progress, hash_inputs=True, **arguments)
        tokenizer.save(target, overwrite=overwrite, roles=roles)
        assert tokenizer.train_report is not None  # it is None for loaded tokenizers only
        report = tokenizer.train_report
    if as_json:
        click.echo(json.dumps({"output": str(target), **report.to_dict()}, ensure_ascii=False))
    elif not quiet:
        print_report(report, target, Console())


def _train_sentencepiece(
    files: tuple[str, ...],
    out: str | None,
    arguments: dict[str, Any],
    overwrite: bool,
    *,
    as_json: bool,
    quiet: bool,
) -> tuple[TrainReport, Path]:
    """Train and write the model; give the report and where it is."""
    from bpetk.sp_trained import check_output, prefix_of

    name = default_output(files, arguments["vocab_size"], ".model")
    into_folder = out is not None and (out.endswith((os.sep, "/")) or Path(out).is_dir())
    prefix = prefix_of(name if not out else Path(out) / name if into_folder else out)
    check_arguments(**arguments)
    check_output(prefix, overwrite=overwrite)
    with notes(as_json=as_json, quiet=quiet), display(as_json=as_json, quiet=quiet) as progress:
        model = train_tokenizer(files, progress=progress, hash_inputs=True, **arguments)
    model.save(f"{prefix}.model", overwrite=overwrite)
    return model.train_report, Path(f"{prefix}.model")
