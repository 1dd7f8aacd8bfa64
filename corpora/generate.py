"""Make large synthetic text, and keep the small files of this folder in order; standard library only.

    python corpora/generate.py --kind chinese --bytes 30000000 --seed 1 -o big.txt
    python corpora/generate.py --edge           rewrites corpora/edge/ from edge_cases.py
    python corpora/generate.py --manifest       rewrites corpora/manifest.json

The same kind and seed give the same text on every platform and Python version, and a shorter text is a prefix
of a longer one. To keep it so, chance comes from ``random.Random.random`` alone, the one method whose results
Python promises not to change.

Kinds
-----
words     sentences of invented words whose frequencies fall as Zipf says, with new words for ever
chinese   the same of Han characters, without a single blank or newline
ties      words that all occur equally often, so that nearly every choice in training is a tie
spaces    storms of white space of every sort around a few letters
runs      long runs of one character, where pairs overlap
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, product
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
SAMPLE_BYTES = 100_000  # of each kind, by hash in the manifest: shows that the generator has not changed
NOT_TEXT = {"README.md", "manifest.json", ".gitattributes"}


class Chance:
    """A source of choices that is the same everywhere."""

    def __init__(self, kind: str, seed: int) -> None:
        self.random = Random(f"{kind}:{seed}").random

    def below(self, limit: int) -> int:
        """Choose one of 0 to limit - 1."""
        return int(self.random() * limit)

    def pick(self, options: Sequence[str]) -> str:
        """Choose one of several strings."""
        return options[int(self.random() * len(options))]

    def often_small(self, limit: int) -> int:
        """Choose one of 1 to limit; half of all choices are at most the square root of the limit."""
        bits = self.random() * limit.bit_length()
        return min(limit, 1 + self.below(1 << int(bits)))


class ZipfWords:
    """Words by rank: the n-th is chosen 1/n times as often as the first. Now and then comes a new word."""

    def __init__(self, chance: Chance, make: Callable[[], str], size: int, new_in: int) -> None:
        self._chance, self._make, self._new_in = chance, make, new_in
        self._words = list(dict.fromkeys(make() for _ in range(size)))
        self._bounds = list(accumulate(10**9 // rank for rank in range(1, len(self._words) + 1)))

    def next(self) -> str:
        """Choose a word."""
        if self._chance.random() * self._new_in < 1:
            return self._make()
        return self._words[bisect_right(self._bounds, self._chance.below(self._bounds[-1]))]


def _words(chance: Chance) -> Iterator[str]:
    onsets = "b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kn pl qu sh sl st str th tr wh".split()
    vowels = "a e i o u y ai ea ee ie oo ou".split()
    codas = "b d g k l ll m n nd ng nt p r rd s st t th ck".split()

    def syllable() -> str:
        end = chance.pick(codas) if chance.below(2) else ""
        return (chance.pick(onsets) if chance.below(6) else "") + chance.pick(vowels) + end

    lexicon = ZipfWords(
        chance, lambda: "".join(syllable() for _ in range(chance.often_small(4))), 20_000, 200
    )
    while True:
        sentence = [lexicon.next() for _ in range(3 + chance.below(20))]
        sentence[0] = sentence[0].capitalize()
        odd = chance.below(len(sentence))
        kind = chance.below(8)
        if kind == 0:
            sentence[odd] += chance.pick(["'s", "'t", "'re", "'ll", "’s"])
        elif kind == 1:
            sentence[odd] = str(chance.below(10 ** (1 + chance.below(7))))
        elif kind == 2:
            sentence[odd] = f"({sentence[odd]})"
        elif kind < 6:
            sentence[odd] += ","
        end = "\n" if chance.below(6) == 0 else " "
        yield " ".join(sentence) + chance.pick([".", ".", ".", "?", "!", "...", ' "']) + end


def _chinese(chance: Chance) -> Iterator[str]:
    order = sorted(
        range(0x4E00, 0x9FA6), key=lambda _: chance.random()
    )  # sorted is stable: equal keys do no harm
    characters = [chr(code) for code in order[:4000]]

    def word() -> str:
        # Few characters are in most words: the square of a uniform number prefers the first.
        places = (chance.random() for _ in range((1, 2, 2, 2, 2, 3, 4)[chance.below(7)]))
        return "".join(characters[int(place * place * len(characters))] for place in places)

    lexicon = ZipfWords(chance, word, 30_000, 100)
    while True:
        clause = "".join([lexicon.next() for _ in range(2 + chance.below(10))])
        if chance.below(12) == 0:
            clause += chance.pick(["2024年", "３月", "12.5%", "GPU", "“", "”", "《", "》", "——", "……"])
        yield clause + chance.pick("，，，，、。。；？！")


def _ties(chance: Chance) -> Iterator[str]:
    words = ["".join(letters) for length in (2, 3) for letters in product("abcdef", repeat=length)]
    while True:
        for i in range(len(words) - 1, 0, -1):
            j = chance.below(i + 1)
            words[i], words[j] = words[j], words[i]
        yield " ".join(words) + "\n"


def _spaces(chance: Chance) -> Iterator[str]:
    blanks = [
        "\t",
        "\n",
        "\n",
        "\r\n",
        "\r",
        "\v",
        "\f",
        "\x85",
        "\u00a0",
        "\u1680",
        "\u2003",
        "\u2028",
        "\u2029",
    ]
    blanks += [" "] * 10 + ["\u202f", "\u205f", "\u3000", "\u3000"]
    others = [
        "a",
        "the",
        "I'm",
        "'s",
        "7",
        "1234567",
        ".",
        "...\n",
        "{",
        "_",
        "中",
        "文字",
        "é",
        "😀",
        "\u200b",
        "\x1c",
    ]
    while True:
        if chance.below(3):
            run = chance.pick(blanks) * chance.often_small(2000)
        else:
            run = "".join([chance.pick(blanks) for _ in range(chance.often_small(200))])
        yield run + (chance.pick(others) if chance.below(4) else "")


def _runs(chance: Chance) -> Iterator[str]:
    characters = ["a", "a", "b", "ab", "哈", "。", "=", "-", "!", "0", "\n", " ", "é", "😀", "\u0301"]
    while True:
        yield chance.pick(characters) * chance.often_small(500)


KINDS: dict[str, Callable[[Chance], Iterator[str]]] = {
    "words": _words,
    "chinese": _chinese,
    "ties": _ties,
    "spaces": _spaces,
    "runs": _runs,
}


def generate(kind: str, size: int, seed: int = 0) -> Iterator[bytes]:
    """Yield UTF-8 text in pieces of about a megabyte.

    Parameters
    ----------
    kind
        One of `KINDS`.
    size
        Bytes in all; up to three fewer come if a character would be cut.
    seed
        Any integer; another seed gives another text.
    """
    texts = KINDS[kind](Chance(kind, seed))
    while size > 0:
        piece = bytearray()
        while len(piece) < min(size, 1 << 20):
            piece += next(texts).encode()
        if len(piece) >= size:
            yield bytes(piece[:size]).decode(errors="ignore").encode()
            return
        yield bytes(piece)
        size -= len(piece)


def write_file(path: Path, pieces: Iterator[bytes]) -> None:
    """Write a file beside its place and rename it, so that a half-written one is never seen."""
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.writelines(pieces)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def bundled_texts() -> list[Path]:
    """List the text files of this folder in a fixed order."""
    files = [path for folder in (HERE, HERE / "edge") for path in folder.iterdir() if path.is_file()]
    kept = [path for path in files if path.name not in NOT_TEXT and path.suffix not in {".py", ".pyc"}]
    return sorted(kept, key=lambda path: path.relative_to(HERE).as_posix())


def manifest() -> dict[str, object]:
    """Describe every bundled text, and a sample of each kind of generated text, by size and SHA-256."""
    files = {}
    for path in bundled_texts():
        data = path.read_bytes()
        name = path.relative_to(HERE).as_posix()
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    generated = []
    for kind in KINDS:
        data = b"".join(generate(kind, SAMPLE_BYTES))
        sha256 = hashlib.sha256(data).hexdigest()
        generated.append(
            {"kind": kind, "seed": 0, "size": SAMPLE_BYTES, "bytes": len(data), "sha256": sha256}
        )
    return {"format": 1, "files": files, "generated": generated}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Make large synthetic text, or rewrite the small files of corpora/."
    )
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--bytes", type=int, default=1_000_000, metavar="N", help="size (default: 1000000)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="default: standard output")
    parser.add_argument("--edge", action="store_true", help="rewrite corpora/edge/")
    parser.add_argument("--manifest", action="store_true", help="rewrite corpora/manifest.json")
    args = parser.parse_args(arguments)
    if not (args.kind or args.edge or args.manifest):
        parser.error("give --kind, --edge or --manifest")
    if args.bytes < 0:
        parser.error("--bytes is negative")
    if args.edge:
        from edge_cases import EDGE_CASES

        for name, data in EDGE_CASES.items():
            write_file(HERE / "edge" / name, iter([data]))
    if args.manifest:
        text = json.dumps(manifest(), indent=2) + "\n"
        write_file(HERE / "manifest.json", iter([text.encode()]))
    if args.kind and args.output == "-":
        sys.stdout.buffer.writelines(generate(args.kind, args.bytes, args.seed))
    elif args.kind:
        write_file(Path(args.output), generate(args.kind, args.bytes, args.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
