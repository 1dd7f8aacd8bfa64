"""The small odd files of corpora/edge/ in a form that can be read and reviewed; see generate.py --edge."""

from __future__ import annotations

_NOTE = """\
雨停了，他把伞收起来。
The rain stopped, so he folded the umbrella.
窗台上的猫看了一眼，又睡了。
"""
_SPACES = "\t\n\v\f\r \x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_NO_BLANK = "山路很长走着走着天就黑了有人提着灯从对面来ThenTheRoadTurnedAgain一二三四五1234567"

EDGE_CASES: dict[str, bytes] = {
    # Size and line ends
    "empty.txt": b"",
    "one_byte.txt": b"a",
    "only_newline.txt": b"\n",
    "only_newlines.txt": b"\n" * 100,
    "only_blanks.txt": b"   \n\t \n" + b" " * 64 + b"\n  ",
    "no_final_newline.txt": _NOTE.rstrip("\n").encode(),
    "crlf.txt": (_NOTE * 2).replace("\n", "\r\n").encode() + b"\r\n\r\na\r\n",
    "lone_cr.txt": _NOTE.replace("\n", "\r").encode() + b"a\rb\r\rc",
    "mixed_line_ends.txt": b"a\nb\r\nc\rd\n\re\r\r\nf\x0bg\x0ch" + "\u0085i\u2028j\u2029k\n".encode(),
    "one_letter.txt": b"a" * 5000,
    "long_line.txt": (_NO_BLANK * 100).encode(),
    # Odd characters
    "nul_bytes.txt": b"a\0b\0\0c\n\0\n" + "中\0文".encode() + b"\0" * 70 + b"\n",
    "controls.txt": bytes(range(0x20)) + b"a\x7fb" + "c\u0080d\u009fe\n".encode(),
    "bom.txt": b"\xef\xbb\xbf" + _NOTE.encode(),
    "bom_inside.txt": "第一行\n\ufeff第二行 a\ufeffb\n".encode(),
    "white_space.txt": "".join(f"x{c}y{c}{c}z {c} \n" for c in _SPACES).encode(),
    # Not White_Space, though some look or sound like it
    "not_white_space.txt": "".join(
        f"x{c}y{c}{c}z\n" for c in "\x1c\x1d\x1e\x1f\u180e\u200b\u2060\ufeff"
    ).encode(),
    "ideographic_indent.txt": "".join(f"\u3000\u3000{line}\n\n" for line in _NOTE.splitlines()).encode(),
    # Joined by U+200D; skin tones, variation selectors; flags made of tags, of two letters, half a flag
    "emoji_zwj.txt": (
        "👨\u200d👩\u200d👧\u200d👦 家 👩🏽\u200d🚀👩🏿\u200d🔬x🏳\ufe0f\u200d🌈🏴\u200d☠\ufe0f "
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f\n"
        "❤\ufe0f❤\ufe0e1\ufe0f\u20e3#\ufe0f\u20e3 🇨🇳🇬🇧🇫 ✂\ufe0fa\u200db 😀😀😀\n"
    ).encode(),
    "combining_marks.txt": (
        "e\u0301a cafe\u0301 A\u030aN\u0303 Z\u0336\u0321\u030d\u0301a\u0335\u0349l\u0337\u0352\n"
        "\u0301ABC !\u0301 1\u0301 \u0301\u0301 \u20e3\n"
        "हिन्दी में क्षत्रिय ภาษาไทย שָׁלוֹם بِسْمِ \u1112\u1161\u11ab\u1100\u1173\u11af 한글\n"
    ).encode(),
    "numbers.txt": "1234567 １２３４５６７ 12３4 ٣٤٥ ²³¹ ½¾ ⅣⅫ ①② 〇一二 3.14159 1e-10 1,000,000\n".encode(),
    "letter_case.txt": "ABC漢DE HTMLParser iPhone15Pro ǅungla ʰa ªº ẞß İı ΑΣς camelCaseHTTPServer\n".encode(),
    "contractions.txt": "I'm we'LL 're a'ſx it’s O'S 'd'Ve y'all'd've 'tis rock'n'roll ''s\n".encode(),
    "han.txt": (  # rare ones, radicals, compatibility forms, kana, hangul
        "々〇〻漢 \U00020000\U0002a6a5\U0002ebf0 \u3400 \u2e80\u2f00 \ufa11 \uf900 \u337f\n"
        "カタカナー ひらがな 한자 a漢b 漢1\n"
    ).encode(),
    # Private use, noncharacters, unassigned; the newest assigned ones are of Unicode 16.0
    "unusual_code_points.txt": (
        "\ue000\uf8ff \ufdd0\uffff\U0001fffe\U0010ffff \u0378\n"
        "\U00010d40\U00016130\U0001e5d0\U0001cc00\U0001fae9\n"
    ).encode(),
    "special_token_text.txt": "a<|endoftext|>b <|im_start|>user\n你好<|im_end|>\n<s>x</s>[MASK]\n".encode(),
    # Not UTF-8
    "invalid_utf8.txt": (
        _NOTE.encode()
        + b"stray \x80 \xbf\xbf lead \xc3 \xe4\xb8 \xf0\x9f\x98 "
        + b"overlong \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf surrogate \xed\xa0\x80 "
        + b"large \xf4\x90\x80\x80 never \xfe\xff\n"
    ),
    "cut_utf8.txt": _NOTE.encode() + "灯".encode()[:2],
    "gb18030.txt": (_NOTE + "𠀀㐀ḿ€\n").encode("gb18030"),
    "latin1.txt": "Un café crème, à Liège — no: in Zürich.\n".replace("—", "-").encode("latin-1"),
    "utf16.txt": b"\xff\xfe" + _NOTE.encode("utf-16-le"),
}
