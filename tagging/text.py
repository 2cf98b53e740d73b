"""Text normalisation: the forms in which words and tag names are compared.

Spellings that are equal after `normalise` are one tag. To find names in a text, and to merge vocabularies, words are
also compared by `singular`.
"""

import re
import unicodedata
from functools import lru_cache

# Vowel signs and accents follow a letter and belong to its word, but `\w` does not match them. Variation selectors,
# which only choose how the preceding character is drawn, are excluded.
MARKS = "".join(chr(code) for code in range(0x0300, 0xFE00) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
# Scripts that write without spaces count each character as a word.
_NO_SPACES = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"(?![{MARKS}])[{_NO_SPACES}][{MARKS}]*|(?:[^\W_{_NO_SPACES}][{MARKS}]*)+")
# Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties) of the categories L and M, and the blank of Braille.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
)
_UNDRAWN = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs"))  # a lone surrogate, Cs, is an error to report, not a blank
_POSSESSIVE = re.compile(r"['’]s?\b")

_NO_PLURALS = frozenset(("arts", "glasses", "goods", "lens", "means", "news", "species", "series"))
_IRREGULAR = {
    "buses": "bus",
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "knives": "knife",
    "leaves": "leaf",
    "men": "man",
    "mice": "mouse",
    "shelves": "shelf",
    "teeth": "tooth",
    "wolves": "wolf",
    "women": "woman",
}
_OE = frozenset(("aloes", "canoes", "does", "foes", "hoes", "oboes", "tiptoes", "toes"))  # and all shoes


@lru_cache(maxsize=1 << 20)
def normalise(tag: str) -> str:
    """Return the form in which tags are compared: NFKC, case folded, single spaces; "" if nothing is visible."""
    return "" if is_blank(tag) else " ".join(unicodedata.normalize("NFKC", tag).casefold().split())


def is_blank(text: str) -> bool:
    """Return True for a text without a visible character: only white space, controls and format characters."""
    return all(unicodedata.category(char) in _UNDRAWN or char in _INVISIBLE for char in text)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a normalised text; "women's" is "women"."""
    return tuple(_WORD.findall(_POSSESSIVE.sub("", text)))


def singular(word: str) -> str:
    """Return the common form of an English noun and its plural; apply it to both sides of a comparison."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith(("ies", "ie")) and word not in _NO_PLURALS:
        return word.removesuffix("s").removesuffix("ie") + "y"  # also movie: "movies" is ambiguous
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")) or word in _NO_PLURALS:
        return word
    is_oe = word in _OE or word.endswith("shoes")
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses", "oes")) and not is_oe else word[:-1]


# Words that are used as tags but carry no information about a video.
EMPTY = frozenset(
    split_words("""
    a about after again all also always am an and another any anyone anything are around as at away back be
    because been before behind being below best better between big both but by call came can come could day days
    did different do does doing done down each easy end enough even ever every everyone everything extra far few
    find first for free from full fun get getting give go goes going gone gonna good got great had happy hard
    has have having he here hey hi high him his hit hot how i if in inside into is it its just keep know large
    last least left less let life like little live long look lot lots love made make making man many may me mean
    might more most much must my near need never new next nice no non not nothing now of off official ok old on
    once one only open or other our out over own part people perfect play playing please put ready real really
    right same say see seen set she should show simple small so some someone something soon special start still
    stop stuff such super sure take taking than that the their them then there these they thing things this
    those three through time to today together tomorrow tonight too top total try trying turn two type under
    until up update us use used using very video videos vs want was watch watching way we well went were what
    when where which while who whole why will wish with without word words work working world would wow year
    years yes yesterday yet you your yours
    """)
)
