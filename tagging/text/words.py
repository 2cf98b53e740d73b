"""Words of a text, each with the place in the text that it comes from.

    text                                words
    "Women's Ice-Hockey"                women, ice, hockey
    "Comment réussir l'omelette"        comment, réussir, omelette
    "Minecraft'ta Elmas"                minecraft, elmas
    "C++, C#, .NET, A*, Disney+"        c++, c#, .net, a*, disney+
    "ASP.NET, agar.io, Mr.Beast"        asp, .net, agar, .io, mr, beast
    "#BlackFriday"                      black, friday (joined)
    "東京都の夜景"                        東京, 都, の, 夜景 (joined)

Scripts without spaces are segmented by ICU (icu4py: MIT, maintained, and with dictionaries for Chinese, Japanese, Thai,
Lao, Khmer and Burmese in one library). Its words may be parts of what a reader calls a word, so neighbouring words are
`joined`: names are compared with runs of them, and a name begins and ends where words do ("京都" is not in "東京都").
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from icu4py.breakers import WordBreaker

from tagging.text.characters import class_of, plain_text
from tagging.text.english import EMPTY
from tagging.text.normalise import aligned, fold

# Vowel signs and accents follow a letter and belong to its word, but `\w` does not match them. Variation selectors,
# which only choose how the preceding character is drawn, are excluded.
_MARKS = class_of("Mn", "Mc", codes=range(0x0300, 0xFE00))
# Letters of the scripts that are written without spaces: Thai, Lao, Burmese, Khmer, kana and Han.
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u109a-\u109d\u1780-\u17d3\u17d7"
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003fffd"
)
_LETTER = rf"[^\W_{_UNSPACED}][{_MARKS}]*"
_WORD = re.compile(
    rf"""
    (?P<unspaced> (?![{_MARKS}])[{_UNSPACED}][{_UNSPACED}{_MARKS}]*)
    | (?P<hashtag> (?<!\w)\#) (?P<tag> (?:{_LETTER})+)
    | (?<![^\W\d_])[A-Za-z][#*](?![\w#*])               # C#, A*
    | (?<![^\s(\[{{/|,:"'])\.(?=[^\W\d_{_UNSPACED}]) (?:{_LETTER})+  # .NET
    | (?<=[^\W_])\.(?:net|js|io|com|org|tv|gg|ai|exe)(?!\w)  # ASP.NET, Node.js, agar.io
    | (?:{_LETTER})+ (?:['`](?:{_LETTER})+)* (?:\+\+(?=\d|\W|_|$) | \+(?![\w+]))?  # don't, C++, Disney+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_VOWELS = frozenset("aeiouyhœæ")
# Articles and particles of French, Italian and Catalan that lose their vowel in front of another.
_ELIDED = """
    l d j m t s n c v qu jusqu lorsqu puisqu quoiqu presqu quelqu
    dell nell all dall sull coll un quest quell bell sant grand gl agl degl negl tutt anch com dov mezz
"""
# Turkish case endings, which an apostrophe separates from names.
_ENDINGS = """
    da de ta te dan den tan ten daki deki taki teki nda nde ya ye yı yi yu yü yla yle la le
    nın nin nun nün ın in un ün a e ı i u ü nı ni nu nü na ne
"""
_ARTICLES = frozenset(_ELIDED.split())
_SUFFIXES = frozenset(map(fold, _ENDINGS.split()))


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text."""

    form: str  # in which words are compared
    text: str  # with its case
    start: int  # of its characters in the text
    end: int
    joined: bool = False  # True: no space in front of it, and part of the same hashtag or run of letters


def read_words(text: str) -> tuple[Word, ...]:
    """Return the words of a text as it was typed."""
    spelled, starts, ends = aligned(text)
    return tuple(
        Word(form, part, starts[start], ends[end - 1], joined) for form, part, start, end, joined in _pieces(spelled)
    )


def split_words(text: str) -> tuple[str, ...]:
    """Return the forms of the words of a text as it was typed."""
    return tuple(piece[0] for piece in _pieces(plain_text(text)))


def merged(words: Sequence[Word]) -> tuple[str, ...]:
    """Return the forms of words with each joined one appended to the word in front of it, if that is included."""
    forms: list[str] = []
    for word in words:
        if word.joined and forms:
            forms[-1] += word.form
        else:
            forms.append(word.form)
    return tuple(forms)


def read_forms(text: str) -> frozenset[str]:
    """Return the forms of the words of a text, and of each run of joined words as a whole ("blackfriday")."""
    words = read_words(text)
    return frozenset((*(word.form for word in words), *merged(words)))


def is_common(forms: Sequence[str]) -> bool:
    """Return whether there are only stop words and numbers, or a single letter."""
    is_letter = len(forms) == 1 and len(forms[0]) == 1 and forms[0].isascii()
    return is_letter or all(form in EMPTY or form.isdecimal() for form in forms)


def _pieces(spelled: str) -> Iterator[tuple[str, str, int, int, bool]]:
    """Yield form, text, start, end and joined of each word of a plain text."""
    for match in _WORD.finditer(spelled):
        if match["unspaced"]:
            start = match.start()
            for segment in _segments(match["unspaced"]):
                yield fold(segment), segment, start, start + len(segment), start > match.start()
                start += len(segment)
        elif match["hashtag"]:
            start = match.start()  # of the sign, so that the characters of the first part show what it is
            end = match.start("tag")
            for part in _hashtag_parts(match["tag"]):
                end += len(part)
                yield fold(part), part, start, end, start > match.start()
                start = end
        else:
            token = match[0].replace("`", "'")
            first, end = _bare(token)
            typed = token[first:end].replace("'", "")
            yield fold(typed), typed, match.start() + first, match.start() + end, False


def _hashtag_parts(tag: str) -> list[str]:
    """Return the words of a hashtag, which begin with a capital or a number: "GTA6", "HTMLTutorial", "BlackFriday"."""
    starts = [
        at
        for at in range(1, len(tag))
        if (tag[at - 1].islower() and tag[at].isupper())
        or (tag[at - 1 : at + 1].isupper() and tag[at + 1 : at + 2].islower())
        or (tag[at - 1].isalpha() and tag[at].isdecimal())
    ]
    return [tag[start:end] for start, end in pairwise([0, *starts, len(tag)])]


@lru_cache(maxsize=1 << 14)
def _segments(run: str) -> tuple[str, ...]:
    """Return the words of a run of letters that is written without spaces."""
    return tuple(WordBreaker(run, "")) if len(run) > 1 else (run,)


def _bare(token: str) -> tuple[int, int]:
    """Return start and end of a token without the elided articles in front and the endings after an apostrophe."""
    start, end = 0, len(token)
    while "'" in token[start:]:
        article, _, rest = token[start:].partition("'")
        if fold(article) not in _ARTICLES or unicodedata.normalize("NFD", fold(rest[0]))[0] not in _VOWELS:
            break
        start += len(article) + 1
    stem, _, ending = token[start:].rpartition("'")
    if stem and (ending in ("s", "S") or (len(stem) > 2 and fold(ending) in _SUFFIXES)):
        end = start + len(stem)
    return start, end
