"""Text normalisation: the form that tokenizers read, and the form in which tags are compared.

    text                             plain                        normalise
    "🔥GUITAR LESSON🔥"               "GUITAR LESSON"              "guitar lesson"
    "𝐁𝐨𝐥𝐝, ｆｕｌｌ, ᴄᴀᴘs, Ⓒircled"      "Bold, full, caps, Circled"  "bold, full, caps, circled"
    "Minecraft™ survival"            "Minecraft survival"         "minecraft survival"
    "ga\u200bming", "gaming\ufe0f"   "gaming"                     "gaming"
    "İstanbul", "ISPARTA", "Isparta" unchanged                    "istanbul", "isparta", "isparta"
    "10½ ㎞, ①, Nº 5"                 "10 1/2 km, 1 , N 5"          "10 1/2 km, 1 , n 5"
    "Tom &amp; Jerry"                "Tom & Jerry"                "tom & jerry"
    "don’t – “stop”"                 "don't - \"stop\""           "don't - \"stop\""
    "C++", ".NET", "#gaming", "m²"   unchanged, "m2"              "c++", ".net", "#gaming", "m2"
    "🔥"                              "🔥"                          "🔥"

Symbols are dropped only next to letters or digits, so that a tag of one emoji stays a tag. Words (`tagging.text.words`)
drop more: elided articles, the possessive, and punctuation without a meaning.
"""

import unicodedata
from functools import lru_cache

from tagging.text.characters import cluster_pattern, is_symbol, plain_cluster, plain_text

VERSION = 2  # of normalisation and words; a bundle is read only by the version that it was made with

_DOTLESS = str.maketrans("İı", "ii")
_DOT = "\u0307"


def plain(text: str) -> str:
    """Return the text that tokenizers read: plain letters of the same case, single spaces, no decoration."""
    spelled = plain_text(text)
    if spelled.isascii():
        return " ".join(spelled.split())
    undecorated = "".join(" " if is_symbol(char) else char for char in spelled)
    if any(map(str.isalnum, undecorated)):
        spelled = undecorated
    return " ".join(spelled.split())


@lru_cache(maxsize=1 << 20)
def normalise(tag: str) -> str:
    """Return the form in which tags are compared; "" for a tag without a visible character.

    The form is a fixed point: normalising it again changes nothing.
    """
    return fold(plain(tag))


def fold(text: str) -> str:
    """Return a plain text without case; İ and ı are i, since creators type either."""
    if text.isascii():
        return text.lower()
    folded = text.translate(_DOTLESS).casefold().replace(f"i{_DOT}", "i")
    return unicodedata.normalize("NFC", folded)


def is_blank(text: str) -> bool:
    """Return True for a text without a visible character: only white space, controls and format characters.

    That is a text whose plain form is empty; reading stops at the first visible character.
    """
    return not any(plain_cluster(cluster[0]).strip() for cluster in cluster_pattern().finditer(text))


def aligned(text: str) -> tuple[str, list[int], list[int]]:
    """Return a text with its characters plain, and where each of them starts and ends in the text.

    Symbols and spaces are kept, since they separate words.
    """
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in cluster_pattern().finditer(text):
        start, end = match.span()
        piece = plain_cluster(match[0])
        pieces.append(piece)
        if piece == match[0]:
            starts += range(start, end)
            ends += range(start + 1, end + 1)
        else:
            starts += [start] * len(piece)
            ends += [end] * len(piece)
    return "".join(pieces), starts, ends
