r"""Text on which two tokenizers are compared: small, and of everything that tells splitters and merges apart.

Written for this project. Characters that an editor hides or changes are written as escapes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bpetk.corpus import Source, invalid_utf8
from bpetk.errors import CorpusFileError
from bpetk.text_files import open_utf8

_BATCH = 1 << 20  # characters

CHINESE = """\
清晨的集市已经热闹起来，卖豆腐的大爷一边吆喝，一边用湿布盖住刚出锅的豆花。“今天的豆子是昨晚泡的，”他说，“您尝尝，不甜不要钱！”
机器学习模型并不理解文字，它看到的只是编号；如何把一句话切成编号，决定了它学得快还是慢。
二〇二四年三月十七日，气温12.5℃，东南风3—4级。票价：￥128.00（含税），折后约九成。
繁體中文：臺灣的圖書館裡，學生們正在準備期末考試；裏面、爲什麼、着與著。
生僻字：\u9fa6 \u9fd5 \u9fff 龘靐齉爩 㐀㐁䶵 𠀀𠮷𡃁𪚥 𰻝 々〇〆 兀\u51c9\ufa0c ⼀⾐ ⺀⻳
"""

ENGLISH = """\
The quick-witted baker didn't measure; she'd weigh flour by hand, and they'll tell you it's never been off by 5%.
"I'm sure we've met," said O'Neill, 'though I can't recall where'. THEY'RE HERE! DON'T PANIC! it’s ‘quoted’, naïve café.
Antidisestablishmentarianism, e.g. internationalization (i18n), re-entered at 10:45 a.m.; pp. 3-17, U.S. v. Smith, 2nd
iPhone XMLHttpRequest getElementById snake_case CONSTANT_NAME camelCase HTTPServer2 x86_64 3D 4K COVID-19 mRNA
"""

MIXED = """\
用Python写一个function，参数是x和y，返回x+y；GPU有80GB显存，CPU是AMD的。iPhone15Pro Max卖￥9,999，比Galaxy S24贵$200。
我今天meeting很多，deadline是Friday，OK吗？100%没问题！！！见https://example.org/路径?q=词&n=1#锚点，邮箱a.b+c@例子.cn
第1章 Chapter1：Ａｌｐｈａ　Ｂｅｔａ１２３，ｶﾀｶﾅ と ひらがな と 漢字、한국어 띄어쓰기와 조사。
"""

OTHERS = """\
Съешь же ещё этих мягких французских булок. Ελληνικά: η μάθηση αρχίζει. עברית: שָׁלוֹם עולם. العربية:
السَّلام عليكم ٠١٢٣٤٥٦٧٨٩.
हिन्दी में नमस्ते दुनिया १२३। ภาษาไทยไม่มีวรรค ၁၂၃ ქართული Հայերեն ትግርኛ Tiếng Việt có dấu: ữ ộ ằ. Türkçe: İstanbul ıssız.
Combining: e\u0301 a\u030a\u0323 \u1100\u1161\u11a8 \ud55c \u212b \u2126 \ufb01 \u1e9b\u0323 ½ ² ³ Ⅷ ⅻ ①
㊗ ㍿ ǅ ǈ ʰ ª º ſ'ſ \u0345
Emoji: 😀👍🏽👨\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 🇨🇳🇺🇸 ❤\ufe0f 1\ufe0f\u20e3 ✂ ☃ ♥ →←⇒ ∀x∈ℝ: ∃y ≤ √2 ± π ≠ ∞ 𝒜𝟘𝔘
"""

CODE = """\
def split(text: str, *, n=3) -> list[str]:
    '''Cut into runs.'''
    return [text[i:i+n] for i in range(0, len(text), n)]  # O(n)

#include <stdio.h>
int main(void) {\n\tfor (int i = 0; i < 10; ++i)\n\t\tprintf("%d\\n", i * 0xFF & ~1u);\n\treturn 0;\n}
<div class="a-b" data-x='1'>&nbsp;&amp;</div>  <!-- note -->  {"key": [1, 2.5e-10, null, true], "中文": "\\u4e2d"}
SELECT a.*, COUNT(*) FROM t AS a WHERE b <> '' AND c IN (1,2,3) GROUP BY 1;  /* end */ // x != y && !z || a->b::c
| a | b |\n|---|:-:|\n**bold** _it_ `x` ~~s~~ ==== ---- #### !!! ??? ... ,,, ((())) [[]] {{}} <<>> \\\\ // $$ @@ ^^ ""
"""

DIGITS = """\
0 1 12 123 1234 12345 123456 1234567 12345678901234567890 007 1,234,567.89 -1 +2 3.14159265358979 1e10 0x1F 0b1010 1/2
2024-03-17 17.03.2024 12:34:56.789 192.168.0.1 555-1234 v1.2.3 A1B2C3 9a 99% #42 №5 ٣٤ ४५ ４５６７８ ⅓ 〇一二三 𝟙𝟚𝟛𝟜
"""

SPACES = (
    " a  b   c    d     e\tf\t\tg \t h\n\ni\n \n  \n\tj\r\nk\r\n\r\nl\r m\n\r n \r\n  o"
    "\u00a0p\u00a0\u00a0q\u3000r\u3000\u3000s\u2003t\u2028u\u2029v\u0085w\u000bx\u000cy\u1680z\u202f1\u205f2"
    "\u200ba\u200cb\u200dc\ufeffd\u00ade\u2060f \u0301g  \u0301h 's 'S  't 'LL  'ſ \u2019s"
    "\n   trailing blanks   \n\n\n\n     \n" + " " * 70 + "x" + "\t" * 20 + "y" + "\n" * 20 + "z \n \n \n"
)

ASCII = "".join(map(chr, range(128)))

ODD = (
    "\u0080\u009f\u00ff\u0100\u0120\u07ff\u0800\u2581\u2581a \ufdd0\ufffd\uffff\ue000\uf8ff\U0001ffff\U000e0041"
    "\U000f0000\U0010ffff \u0378\u0530 \u0e33 \u202eabc\u202c \u2066x\u2069 "
    + "的" * 40
    + "是的是的" * 12
    + "a" * 90
    + "ab" * 40
    + "0" * 40
    + "!" * 40
    + "aA" * 20
)

BLOCKS: tuple[str, ...] = (CHINESE, ENGLISH, MIXED, OTHERS, CODE, DIGITS, SPACES, ASCII, ODD)


def probe_texts(special: Iterable[str] = ()) -> list[str]:
    r"""Give the texts: all as one, each block, each line, and special tokens amid text.

    Parameters
    ----------
    special
        Special tokens of the tokenizers to compare, the first 64 of them count.

    Returns
    -------
    list[str]
        None twice; the empty text among them.

    Examples
    --------
    >>> texts = probe_texts(["<s>"])
    >>> "" in texts, any("<s>" in text for text in texts)
    (True, True)
    """
    texts = ["", "".join(BLOCKS), *BLOCKS]
    texts += [line for block in BLOCKS for line in block.splitlines(keepends=True)]
    # Line ends as another system has them; and every beginning of a text is also the end of one.
    texts += [block.replace("\n", "\r\n") for block in (CHINESE, ENGLISH, CODE)]
    texts += [SPACES[:end] for end in range(len(SPACES) // 2)]
    for token in list(special)[:64]:
        texts.append(f"{token}你好{token} world  {token}{token}\n{token}\n 1{token}2's{token}")
    return list(dict.fromkeys(texts))


def text_batches(
    path: str | os.PathLike[str], *, whole: bool = False, encoding: str = "utf-8"
) -> Iterator[tuple[int, list[str]]]:
    """Read the texts of a file: its lines with their ends, or all of it as one.

    Parameters
    ----------
    path
        A file of text.
    whole
        Take the file as one text.
    encoding
        What it is in.

    Yields
    ------
    tuple[int, list[str]]
        The number of the first line, from 1 on, and lines, about a megabyte at once.

    Raises
    ------
    CorpusFileError
        If the file cannot be read.
    InvalidEncodingError
        If it is not in this encoding; the message says where.
    """
    name = os.fspath(path)
    try:
        with open_utf8(name, encoding) as file:
            first, batch, size, offset = 1, list[str](), 0, 0
            for data in [file.read()] if whole else file:
                try:
                    batch.append(data.decode("utf-8"))
                except UnicodeDecodeError as error:
                    source = Source(name, Path(name), os.path.getsize(name))
                    raise invalid_utf8(source, offset + error.start, data[error.start :]) from None
                offset, size = offset + len(data), size + len(batch[-1])
                if size >= _BATCH:
                    yield first, batch
                    first, batch, size = first + len(batch), [], 0
            if batch:
                yield first, batch
    except OSError as error:
        if isinstance(error, CorpusFileError):
            raise
        raise CorpusFileError(f"cannot read {name}: {error.strerror or error}") from error


def first_unequal(ours: Sequence[object], theirs: Sequence[object]) -> int:
    """Count the items that are equal from the first on.

    Examples
    --------
    >>> first_unequal([1, 2, 3], [1, 2, 4]), first_unequal([1], [1, 2])
    (2, 1)
    """
    pairs = zip(ours, theirs, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
