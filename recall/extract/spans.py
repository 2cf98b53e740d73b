"""Spans of a title that could be tags: runs of its tokens, and the separators around them.

A title is tokenised, and each pair of adjacent tokens is separated by one kind of gap (`Gap`). A space, an empty gap
and the full stop of "Dr. Dre" join tokens; everything else, emoji included, divides the title into segments. A span is
one to six consecutive tokens, inside a segment or across its border, or a whole segment, or a whole short title.

Scripts without spaces have no word boundaries. Han, kana and Thai are split at separators and where the script changes,
nowhere else. BudouX (Apache-2.0, maintained, 250 kB) was tried: 266 of 5,235 titles are in such scripts and contain 143
tags that no training video has; these runs find 95 of them, BudouX 118, for 40 % more spans. The difference is 0.03 %
of all tags, so it is not used.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import islice, pairwise

CHARACTERS_READ = 1000
TOKENS_READ = 40
LONGEST = 6  # tokens of a span that is not a whole segment
LONGEST_SEGMENT = 12


class Gap(IntEnum):
    """The separator between two tokens, or between a token and an end of the title."""

    EDGE = 0  # start or end of the title
    TOUCH = 1  # empty: the script changes
    SPACE = 2
    STOP = 3
    BAR = 4  # | and similar
    DASH = 5
    BRACKET = 6
    QUOTE = 7
    COMMA = 8  # , / ; : and bullets
    END = 9  # ! ? …
    HASH = 10
    AT = 11
    OTHER = 12  # emoji and other symbols

    @property
    def parts(self) -> bool:
        """True: the gap ends a segment."""
        return self not in (Gap.TOUCH, Gap.SPACE, Gap.STOP)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or a run of characters of one script without spaces."""

    text: str  # as written in the title
    key: str  # `word_key` of it
    start: int  # character offsets in the title
    end: int
    segment: int
    before: Gap
    after: Gap
    script: str  # one of SCRIPTS


@dataclass(frozen=True, slots=True)
class Span:
    """The tokens [first, last) of a title."""

    first: int
    last: int
    key: str  # the keys of the tokens joined by spaces; the unit of the statistics
    name: str  # the tokens as typed in a tag: separators dropped, single spaces
    text: str  # the exact characters of the title
    is_segment: bool


# Character classes of `_class` that form tokens; each script without spaces has a class of its own.
SCRIPTS = ("w", "h", "i", "k", "t")  # word letters, Han, hiragana, katakana, Thai and related scripts
# Tokens, as patterns over a string of character classes.
TOKENS = re.compile(r"(?<!w)wx(?![wx])|w[wm]*(?:jw[wm]*)*(?:pp(?![wp]))?|h[hm]*|i[im]*|k[km]*|t[tm]*|&")  # also C#, C++
_RANGES = (
    ("t", 0x0E00, 0x0EFF),  # Thai, Lao
    ("t", 0x1000, 0x109F),  # Burmese
    ("t", 0x1780, 0x17FF),  # Khmer
    ("i", 0x3040, 0x309F),
    ("k", 0x30A0, 0x30FF),
    ("k", 0x31F0, 0x31FF),
    ("k", 0xFF66, 0xFF9F),
    ("h", 0x3400, 0x9FFF),
    ("h", 0xF900, 0xFAFF),
    ("h", 0x20000, 0x3FFFF),
)
_JOINERS = frozenset("'’ʼ׳״.-‐‑·:_\u200c\u200d")  # join letters on both sides: spider-man, k.virot
_GAPS = {
    Gap.BAR: "|¦｜❘❙│┃║‖~～\\",
    Gap.DASH: "-‐‑–—―−_=",
    Gap.BRACKET: "()[]{}<>（）［］【】〔〕〖〗「」『』《》〈〉｢｣«»‹›",
    Gap.QUOTE: "\"'“”„‟‘’‚`´＂",
    Gap.COMMA: ",，、،;；؛:：/／•·・‧●▪∙⋅",
    Gap.END: "!！?？¡¿؟…。।",
    Gap.HASH: "#＃",
    Gap.AT: "@＠",
    Gap.STOP: ".",
}
_PLAIN = str.maketrans(
    "ıđĐłŁøØёЁ", "idDlLoOеЕ"
)  # letters typed without accent whose Unicode decomposition does not show it
_ALIKE = str.maketrans("’أإآةى", "'اااهي")
_GAP_OF = {ord(character): gap for gap, characters in _GAPS.items() for character in characters}


@lru_cache(maxsize=1 << 16)
def word_key(word: str) -> str:
    """Return the normal form in which words are counted: NFKC, case-folded, without Latin, Greek and Arabic accents.

    Creators type tags without the accents of their titles, "mienteme" for "Miénteme". In other scripts marks belong to
    the letter: й is not и, and Indic vowels are marks.
    """
    folded = unicodedata.normalize("NFKC", word).casefold()
    return unaccented(folded).translate(_ALIKE)


def unaccented(name: str) -> str:
    """Return the name without those accents; case and everything else are kept."""
    return unicodedata.normalize("NFC", _bare(name)).translate(_PLAIN)


def key_of(name: str) -> str:
    """Return the key that a span of the tag's words has; "" if no part of it can be a span."""
    return " ".join(token.key for token in tokens(name))


def tokens(title: str) -> list[Token]:
    """Tokenise a title, up to TOKENS_READ tokens; white space, symbols and surrogates form no tokens."""
    title = title[:CHARACTERS_READ]
    offsets = [match.span() for match in islice(TOKENS.finditer("".join(map(_class, title))), TOKENS_READ)]
    ends = [0, *(end for _, end in offsets)]
    starts = [*(start for start, _ in offsets), len(title)]
    gaps = [_gap(title[end:start], start in (0, len(title))) for end, start in zip(ends, starts, strict=True)]
    found: list[Token] = []
    segment = 0
    for index, (start, end) in enumerate(offsets):
        if index and gaps[index].parts:
            segment += 1
        text = title[start:end]
        script = _class(text[0]) if _class(text[0]) in SCRIPTS else "w"
        found.append(Token(text, word_key(text), start, end, segment, gaps[index], gaps[index + 1], script))
    return found


def spans(title: str, found: list[Token]) -> Iterator[Span]:
    """Yield every span of the title's tokens once, by first token and then by length."""
    count = len(found)
    for first in range(count):
        opens = first == 0 or found[first - 1].segment != found[first].segment
        for last in range(first + 1, count + 1):
            closes = last == count or found[last].segment != found[last - 1].segment
            same = found[first].segment == found[last - 1].segment
            is_segment = opens and closes and same
            length = last - first
            if length <= LONGEST or (is_segment and length <= LONGEST_SEGMENT) or length == count <= 2 * LONGEST:
                yield span_of(title, found, first, last, is_segment)
            elif length > LONGEST_SEGMENT:
                break


def span_of(title: str, found: list[Token], first: int, last: int, is_segment: bool = False) -> Span:
    """Return the span of tokens [first, last)."""
    run = found[first:last]
    name = run[0].text
    for left, right in pairwise(run):
        name += right.text if left.after == Gap.TOUCH else " " + right.text
    key = " ".join(token.key for token in run)
    return Span(first, last, key, name, title[run[0].start : run[-1].end], is_segment)


def _bare(word: str) -> str:
    """Return the word decomposed (NFD), without combining accents of Latin and Greek and without Arabic vowel signs."""
    if word.isascii():
        return word
    kept: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFD", word):
        if not unicodedata.combining(character):
            base = character
        elif base < "\u0400" or "\u064b" <= character <= "\u0652":  # after a Latin or Greek letter
            continue
        kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=1 << 14)
def _class(character: str) -> str:
    """The class of a character: w letter or digit, m mark, j joiner, p plus, x #, &, one of SCRIPTS, or " "."""
    code = ord(character)
    category = unicodedata.category(character)
    if category[0] == "M":
        return " " if 0xFE00 <= code <= 0xFE0F or category == "Me" else "m"  # emoji variants, keycaps
    if character in _JOINERS:
        return "j"
    if category[0] in "LN":
        return next((letter for letter, low, high in _RANGES if low <= code <= high), "w")
    return {"&": "&", "+": "p", "#": "x"}.get(character, " ")


def _gap(between: str, is_edge: bool) -> Gap:
    """The kind of a gap; of several symbols the most specific one: "- #" is HASH, ". " is STOP."""
    kinds = [_kind(character) for character in between if unicodedata.category(character) != "Cf"]
    signs = [kind for kind in kinds if kind != Gap.SPACE]
    if signs:
        for strong in (Gap.HASH, Gap.AT, Gap.QUOTE, Gap.BRACKET, Gap.BAR, Gap.DASH):
            if strong in signs:
                return strong
        return signs[0]
    if is_edge:
        return Gap.EDGE
    return Gap.SPACE if kinds else Gap.TOUCH


def _kind(character: str) -> Gap:
    if character.isspace() or unicodedata.category(character) == "Cc":
        return Gap.SPACE
    return _GAP_OF.get(ord(character), Gap.OTHER)
