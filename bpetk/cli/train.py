"""``bpetk train``: text in, a tokenizer directory and a short report out."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bpetk.cli.options import training_arguments, training_options
from bpetk.cli.progress import display
from bpetk.cli.report import print_report

_ROLES = ("bos", "eos", "pad", "unk")
_GLOB = frozenset("*?[")


def role_tokens(special: tuple[str, ...], roles: dict[str, str]) -> tuple[str, ...]:
    """Add the tokens of the roles to the special tokens: specials first, then bos, eos, pad, unk, each text once."""
    return tuple(dict.fromkeys([*special, *(roles[name] for name in _ROLES if name in roles)]))


def default_output(files: tuple[str, ...], vocab_size: int) -> Path:
    """Name the output after the corpus: ``./<corpus>-bpe-<N>``.

    A glob is named after the folder it looks into; of several inputs the first gives the name, and how many more
    there were.
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
    return Path(f"{stem or 'corpus'}{more}-bpe-{vocab_size}")


@click.command()
@training_options
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output folder. Default: ./<corpus>-bpe-<N>.")
@click.option("--overwrite", is_flag=True, help="Replace the output folder, whatever made it.")
@click.option("--bos", metavar="T", help="Token that begins a text; like the next three also a special token.")
@click.option("--eos", metavar="T", help="Token that ends a text.")
@click.option("--pad", metavar="T", help="Token that fills up a batch.")
@click.option("--unk", metavar="T", help="Token for the unknown; byte-level models never need it.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout, progress as JSON lines on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors; with --json the report stays.")
@click.pass_context
def train(
    context: click.Context,
    *,
    files: tuple[str, ...],
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a tokenizer on text files, folders, globs, or standard input (-).

    Writes a folder that tokenizers and transformers load: tokenizer.json, tokenizer_config.json, manifest.json and,
    where the scheme allows, vocab.json and merges.txt.

    \b
    Examples:
      bpetk train corpus.txt --vocab 32000
      bpetk train zh/ 'en/*.txt' --vocab 64000 --scheme o200k --eos '<|endoftext|>' --out my-tokenizer
    """
    context.obj["json"] = as_json
    roles = {name: value for name in _ROLES if (value := options.pop(name)) is not None}
    arguments = training_arguments(**options)
    arguments["special_tokens"] = role_tokens(arguments["special_tokens"], roles)
    target = out or default_output(files, arguments["vocab_size"])

    import bpetk  # here, so that --help and completion do not wait for the native modules

    with warnings.catch_warnings():
        # The report says the same, with the reason.
        warnings.simplefilter("ignore", bpetk.errors.VocabularySizeWarning)
        with display(as_json=as_json, quiet=quiet) as progress:
            tokenizer = bpetk.train(files, progress=progress, hash_inputs=True, **arguments)
    tokenizer.save(target, overwrite=overwrite, roles=roles)
    report = tokenizer.train_report
    assert report is not None  # it is None for loaded tokenizers only
    if as_json:
        click.echo(json.dumps({"output": str(target), **report.to_dict()}, ensure_ascii=False))
    elif not quiet:
        print_report(report, target, Console(highlight=False))
