"""Plain characters: each cluster of a text (a character with its marks) in the form that tokenizers and readers share.

Unicode's compatibility form (NFKC, UAX #15) is the base. It is not enough for titles: it turns ™ into the letters "tm",
glued to the word in front of it, leaves invisible characters and small capitals as they are, and knows no emoji.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from html import unescape
from itertools import chain

# Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties) of the categories L and M, and the blank of Braille.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
)
_SPACES = frozenset(("Cc", "Co", "Zl", "Zp", "Zs"))
_MARKS_AND_FORMATS = frozenset(("Mn", "Mc", "Me", "Cf"))  # without a letter in front of them
_TATWEEL = "\u0640"  # stretches Arabic words

# Marks that strike through or underline; no alphabet needs them.
_OVERLAYS = frozenset("\u0305\u0332\u0333\u0334\u0335\u0336\u0337\u0338\u033f")
# Marks that a composed letter of Unicode has; other marks of the block are decoration ("Zalgo").
_ACCENTS = frozenset(
    unicodedata.decomposition(chr(code)).split(" ")[-1]
    for code in range(0xC0, 0x2000)
    if unicodedata.decomposition(chr(code))[:1] not in ("", "<")
)
_MOST_ACCENTS = 1  # next to those that the composed letter has

_PUNCTUATION = str.maketrans(
    {
        **dict.fromkeys("’‘‛ʼʻʽʹ′´＇", "'"),  # "don´t"
        **dict.fromkeys("“”„‟″＂", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        "♯": "#",  # C♯
        "\u2044": "/",  # of ½, in NFKC
    }
)
_STYLE = re.compile(
    r"(?:NEGATIVE |CROSSED )*(?:SQUARED|CIRCLED|PARENTHESIZED) LATIN (?:CAPITAL|SMALL) LETTER ([A-Z])"
    r"|LATIN LETTER SMALL CAPITAL ([A-Z])"
)


def _styled_letters() -> dict[str, str]:
    """Return the letters that are a Latin letter in a box, in a circle or as a small capital."""
    blocks = ((0x0250, 0x02B0), (0x1D00, 0x1D80), (0x249C, 0x24EA), (0xA720, 0xA800), (0x1F110, 0x1F190))
    letters = {}
    for char in (chr(code) for first, end in blocks for code in range(first, end)):
        if match := _STYLE.fullmatch(unicodedata.name(char, "")):
            letter = match[1] or match[2]
            letters[char] = letter if "CAPITAL LETTER" in unicodedata.name(char) else letter.lower()
            letters.setdefault(char.upper(), letter)
    return letters


_LETTERS = _styled_letters()


def class_of(*categories: str, codes: Iterable[int]) -> str:
    """Return the characters of these categories as ranges of a regular expression's class, which compile quickly."""
    ranges: list[list[int]] = []
    for code in codes:
        if unicodedata.category(chr(code)) in categories:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


# Escaped characters of HTML; creators' tables often have them.
_ESCAPED = r"&(?:amp;|#38;|#x26;)*(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#[xX][\da-fA-F]{1,6});"


@cache  # not when the module is imported: that takes a tenth of a second, and decode workers read no text
def cluster_pattern() -> re.Pattern[str]:
    """Return the pattern of a cluster: one character with what follows it, a run of ASCII, or an escaped character."""
    # What belongs to the character before: marks, invisible characters, vowels and finals of decomposed Hangul
    # syllables, the half-width voicing marks of kana, and ำ of Thai and Lao, which NFKC divides into a mark and a
    # vowel.
    codes = chain(range(0x80, 0x20000), range(0xE0000, 0xE0200))
    follows = class_of("Mn", "Mc", "Me", "Cf", codes=codes) + "\u1160-\u11ff\uff9e\uff9f\u0e33\u0eb3"
    return re.compile(rf"{_ESCAPED}|[\x20-\x25\x27-\x7e]+(?![{follows}])|.[{follows}]*", re.DOTALL)


def plain_cluster(cluster: str) -> str:
    """Return a cluster, a match of cluster_pattern, in its plain form; "" for what has no meaning of its own.

    Symbols and enclosed numbers have a space on each side. Case is kept.
    """
    return _plain_ascii(cluster) if cluster.isascii() else _plain_other(cluster)


def plain_text(text: str) -> str:
    """Return a text with every cluster in its plain form; spaces are not collapsed."""
    return "".join(map(plain_cluster, cluster_pattern().findall(text)))


@lru_cache(maxsize=1 << 14)
def is_symbol(char: str) -> bool:
    """Return whether a character is an emoji, a pictograph or another decoration; not those of ASCII, +, € or →."""
    category = unicodedata.category(char)
    is_newer = category == "Cn" and not 0x20000 <= ord(char) < 0x40000  # an emoji that Python does not know yet
    return not char.isascii() and (category in ("So", "Sk") or is_newer)


def is_spaced(char: str) -> bool:
    """Return whether a character is read apart from its neighbours: ½, ①, Ⅳ, € and ×, but not the ² of m²."""
    category = unicodedata.category(char)
    if char.isascii() or category not in ("No", "Nl", "Sm", "Sc") or char == "\u3007":  # a digit of Chinese
        return False
    return not unicodedata.decomposition(char).startswith(("<super>", "<sub>", "<wide>", "<small>", "<narrow>"))


def _plain_ascii(cluster: str) -> str:
    if cluster[0] == "&" and len(cluster) > 1:
        return plain_text(_unescaped(cluster))
    return cluster if cluster.isprintable() else " "


@lru_cache(maxsize=1 << 16)  # clusters are short; runs of ASCII, which may be whole texts, are not stored
def _plain_other(cluster: str) -> str:
    first = cluster[0]
    category = unicodedata.category(first)
    if first in _INVISIBLE or first == _TATWEEL or category in _MARKS_AND_FORMATS:
        return ""
    return " " if category in _SPACES else _visible(first, cluster[1:])


def _visible(first: str, marks: str) -> str:
    if ord(first) in _PUNCTUATION:
        return first.translate(_PUNCTUATION)
    if "\u3131" <= first <= "\u318e":  # "ㅋㅋㅋ" is laughter: NFKC would compose syllables of such letters
        return first
    if first not in _LETTERS and (is_symbol(first) or is_spaced(first) or first in "ªº"):
        return f" {_apart(first)} "
    letter = _LETTERS.get(first, first)
    plain = unicodedata.normalize("NFKC", letter + _accents(letter, marks)).translate(_PUNCTUATION)
    return plain if plain == first + marks else plain_text(plain)


def _apart(char: str) -> str:
    """Return the letters of a symbol like ㎞, № and ½, nothing for ™ and º, and every other symbol itself."""
    if unicodedata.decomposition(char).startswith("<super>"):
        return ""
    plain = unicodedata.normalize("NFKC", char)
    return char if plain == char else plain_text(plain).strip()


def _accents(letter: str, marks: str) -> str:
    """Return the marks of a letter that belong to it, without those that only decorate."""
    kept = [mark for mark in marks if unicodedata.category(mark) in ("Mn", "Mc", "Lm", "Lo") and mark not in _INVISIBLE]
    if any(mark in _OVERLAYS for mark in kept):
        return "".join(mark for mark in kept if not _is_accent(mark))
    kept = [mark for mark in kept if not _is_accent(mark) or f"{ord(mark):04X}" in _ACCENTS]
    composed = unicodedata.normalize("NFC", letter + "".join(kept))
    if sum(map(_is_accent, composed)) > _MOST_ACCENTS:
        return "".join(mark for mark in kept if not _is_accent(mark))
    return "".join(kept)


def _is_accent(mark: str) -> bool:
    return "\u0300" <= mark <= "\u036f"


def _unescaped(text: str) -> str:
    """Return the character that HTML escaped, possibly more than once: "&amp;amp;lt;" is "<"."""
    entity = text[1:-1].rpartition(";")[2]
    return unescape(f"&{entity};")
